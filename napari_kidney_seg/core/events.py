"""What long work yields while it runs: frozen records, shown by the widgets, the command line and the tests."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step of a stage is done.

    Attributes
    ----------
    stage : str
        What is being done, e.g. ``"coarse"`` or ``"prepare"``.
    done, total : int
        Steps (windows, batches) within that stage.
    fraction : float
        Of the whole work, 0..1, weighted by the cost of the stages.
    """

    stage: str
    done: int
    total: int
    fraction: float


@dataclass(frozen=True, kw_only=True)
class StageDone:
    """A stage has its output."""

    stage: str
    seconds: float
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """A training epoch is over.

    Attributes
    ----------
    loss : float
        Mean training loss.
    scores : mapping
        Validation scores by name, e.g. ``{"dice": 0.91}``; empty when the epoch was not validated.
    seconds_left : float
        Expected for the remaining epochs.
    """

    stage: str
    epoch: int
    epochs: int
    loss: float
    scores: dict[str, float] = field(default_factory=dict)
    best: bool = False
    seconds_left: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something a person should know about a result; never an error.

    Attributes
    ----------
    code : str
        Stable word for machines, e.g. ``"no_kidney"``.
    text : str
        One or two plain sentences: what was found and what to do.
    level : ``"info"`` or ``"warning"``
    """

    code: str
    text: str
    level: str = "warning"


Event = Progress | StageDone | EpochDone | Notice


def result_of(steps: Generator[object, None, Result]) -> Result:
    """Run a generator to its end and return its result; what it yields is dropped."""
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            result: Result = finished.value
            return result
