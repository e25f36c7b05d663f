from __future__ import annotations

import pytest

from napari_kidney_seg.widgets.run_clock import RunClock, duration_text


def test_time_left_follows_from_the_share_that_is_done():
    times = iter([100.0, 110.0])
    clock = RunClock(now=lambda: next(times))

    assert clock.seconds_left(0.25) == pytest.approx(30.0)


def test_time_left_runs_down_while_nothing_more_is_done_and_is_corrected_by_what_is():
    times = iter([100.0, 110.0, 112.0, 150.0, 160.0, 170.0])
    clock = RunClock(now=lambda: next(times))

    left = [clock.seconds_left(fraction) for fraction in (0.25, 0.25, 0.25, 0.5, 1.0)]

    assert left == [pytest.approx(30.0), pytest.approx(28.0), None, pytest.approx(60.0), 0.0]


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
