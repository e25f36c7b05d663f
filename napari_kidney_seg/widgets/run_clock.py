"""How long work still takes, from how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable

MIN_FRACTION = 0.02  # before this much is done, a guess would jump


class RunClock:
    """Time since the work began, and time left.

    Parameters
    ----------
    now : callable
        Returns seconds on a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._start = now()
        self._fraction, self._reached_at = 0.0, 0.0  # the last that was done, after so many seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return self._now() - self._start

    def seconds_left(self, fraction: float) -> float | None:
        """Return the seconds left when `fraction` (0..1) of the work is done; None when that cannot be said.

        While the fraction stays as it was the seconds run down, and when they are over nobody knows.
        """
        elapsed = self.elapsed
        if fraction != self._fraction:
            self._fraction, self._reached_at = fraction, elapsed
        if fraction < MIN_FRACTION:
            return None
        if fraction >= 1:
            return 0.0
        left = self._reached_at / fraction - elapsed
        return left if left > 0 else None


def duration_text(seconds: float) -> str:
    """Return `seconds` as a person would say them, e.g. ``"45 s"``, ``"2 min 05 s"`` or ``"3 h 20 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
