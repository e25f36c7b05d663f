from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict
from typing import get_args

import pytest

from napari_kidney_seg.core.events import EpochDone, Event, Notice, Progress, StageDone, result_of

EVENTS = [
    Progress(stage="coarse", done=1, total=4, fraction=0.1),
    StageDone(stage="coarse", seconds=2.5),
    EpochDone(stage="coarse", epoch=1, epochs=10, loss=0.4),
    Notice(code="no_kidney", text="No kidney was found. Check that the scan shows the abdomen."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_are_frozen(event):
    with pytest.raises(FrozenInstanceError):
        event.stage = "other"


def test_every_kind_of_event_is_part_of_the_union():
    assert set(get_args(Event)) == {type(event) for event in EVENTS}


def test_events_become_plain_records_for_json_lines():
    assert asdict(EVENTS[0]) == {"stage": "coarse", "done": 1, "total": 4, "fraction": 0.1}


def test_a_notice_warns_and_a_stage_is_computed_unless_said_otherwise():
    assert EVENTS[3].level == "warning"
    assert EVENTS[1].cached is False


def test_epochs_do_not_share_their_scores():
    first, second = (EpochDone(stage="coarse", epoch=n, epochs=2, loss=0.1) for n in (1, 2))

    first.scores["dice"] = 0.9

    assert second.scores == {}


def test_the_result_of_a_generator_is_what_it_returns_after_its_last_step():
    seen = []

    def steps():
        for event in EVENTS:
            seen.append(event)
            yield event
        return len(seen)

    assert result_of(steps()) == len(EVENTS)


def test_an_error_in_a_generator_reaches_whoever_wants_its_result():
    def steps():
        yield EVENTS[0]
        raise ValueError("broken half way")

    with pytest.raises(ValueError, match="broken half way"):
        result_of(steps())
