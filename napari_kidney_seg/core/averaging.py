"""How many predictions of a window a run averages: mirrored ones, and those of the models of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_kidney_seg.core.errors import KidneySegError, UnknownMethodError
from napari_kidney_seg.core.events import Notice

if TYPE_CHECKING:
    from napari_kidney_seg.core.method import Method, Stage


@dataclass(frozen=True, kw_only=True)
class Averaging:
    """Which predictions of a window are averaged.

    Attributes
    ----------
    name : as typed on the command line, e.g. ``"single"``; empty for what each preset does by itself
    mirrors : axes to flip together, one prediction for each beside the plain one, as in `core.method.Stage`
        None makes those of each stage.
    members : int or None
        Models of an ensemble to use, from the first; None takes all.
    """

    name: str = ""
    mirrors: tuple[tuple[int, ...], ...] | None = None
    members: int | None = None

    def __post_init__(self) -> None:
        if self.members is not None and self.members < 1:
            raise KidneySegError(f"Found members={self.members!r}; needed at least 1, or None for all. Change it.")

    def predictions(self, stage: Stage, models: int) -> int:
        """Return how many predictions of each window of `stage` a bundle with `models` of it gives."""
        return self._passes(stage) * self._used(models)

    def notice(self, stage: Stage, models: int) -> Notice:
        """Return what a person who chose this should know of `stage`, of which the bundle has `models`."""
        count, mirrored, used = self.predictions(stage, models), self._passes(stage) - 1, self._used(models)
        parts = [f"plain and mirrored {mirrored} ways"] if mirrored else []
        parts += [f"by {used} models"] if used > 1 else []
        what, cost = f"the mean of {count} predictions of each window", f"about {count} times as long as one"
        mean = f"{what} ({', '.join(parts)}); it takes {cost}"
        text = f"Averaging {self.name!r}: {mean if parts else 'one prediction of each window'}."
        return Notice(code="averaging", text=text, level="info")

    def _passes(self, stage: Stage) -> int:
        return 1 + len(stage.mirrors if self.mirrors is None else self.mirrors)

    def _used(self, models: int) -> int:
        return models if self.members is None else min(models, self.members)


AS_PRESET = Averaging()


def find_averaging(method: Method, name: str) -> Averaging:
    """Return the averaging of `method` called `name`; `AS_PRESET` for an empty name.

    Raises
    ------
    UnknownMethodError
        When `method` offers no such choice.
    """
    known = {one.name: one for one in (AS_PRESET, *method.averagings)}
    if name not in known:
        offered = ", ".join(repr(one.name) for one in method.averagings)
        advice = f"Choose one of {offered}." if offered else "It offers no choice: leave it out."
        raise UnknownMethodError(f"Method {method.name!r} has no averaging {name!r}. {advice}")
    return known[name]


def averaged(method: Method, averaging: Averaging) -> Method:
    """Return `method` with the mirrored predictions of `averaging` in every stage."""
    if averaging.mirrors is None:
        return method
    return replace(method, stages=tuple(replace(stage, mirrors=averaging.mirrors) for stage in method.stages))
