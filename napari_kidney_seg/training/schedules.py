"""Learning rate over a run, as a factor of the initial one."""

from __future__ import annotations

import math
from collections.abc import Callable

POLY_POWER = 0.9
STEP_AT = 5 / 9  # 20 000 of the 36 000 steps that 200 epochs of the 180 cases of KiTS19, two kidneys each, make (V-Net)


def constant(done: float) -> float:
    """Return 1 whatever share `done` (0..1) of the run is over."""
    return 1.0


def cosine(done: float) -> float:
    """Return half a cosine from 1 to 0 over the run."""
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def poly(done: float) -> float:
    """Return ``(1 - done) ** 0.9``."""
    return float(max(0.0, 1 - done) ** POLY_POWER)


def step(done: float) -> float:
    """Return 1, and 0.1 after 5/9 of the run."""
    return 1.0 if done < STEP_AT else 0.1


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine, "poly": poly, "step": step}
