"""Learning rate over a run, as a factor of the initial one."""

from __future__ import annotations

import math
from collections.abc import Callable

POLY_POWER = 0.9


def constant(done: float) -> float:
    """Return 1 whatever share `done` (0..1) of the run is over."""
    return 1.0


def cosine(done: float) -> float:
    """Return half a cosine from 1 to 0 over the run."""
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def poly(done: float) -> float:
    """Return ``(1 - done) ** 0.9``."""
    return float(max(0.0, 1 - done) ** POLY_POWER)


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine, "poly": poly}
