from __future__ import annotations

import pytest

from napari_kidney_seg.widgets.run_clock import RunClock, duration_text


def test_time_left_follows_from_the_share_that_is_done():
    times = iter([100.0, 110.0])
    clock = RunClock(now=lambda: next(times))

    assert clock.seconds_left(0.25) == pytest.approx(30.0)


def test_no_guess_is_made_at_the_very_beginning():
    assert RunClock().seconds_left(0.01) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (45, "45 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (90_061, "25 h 01 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration_text(seconds) == text
