"""What training finds out about a case once, and keeps: its stage fitted to the scan, and its windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.inference.fitting import fit
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.sampling import Window

Sampler = Callable[[Case, Stage, np.random.Generator], Window]


@runtime_checkable
class CaseWindows(Protocol):
    """The windows of one case; called like any sampler it draws one of them."""

    @property
    def count(self) -> int:
        """Windows of the case in one epoch, at least 1; takes the place of `Recipe.windows_per_case`."""

    def numbered(self, number: int, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return window `number`, counted from 0, of an epoch."""

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one window of the case."""


@runtime_checkable
class EpochSampler(Protocol):
    """A sampler that goes through the windows of each case."""

    def of_case(self, case: Case, stage: Stage) -> CaseWindows:
        """Return the windows of `case`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownCase:
    """What is known about a case.

    Attributes
    ----------
    stage : Stage
        With its intensity steps fitted to the case's scan.
    sampler : callable (case, stage, rng) -> (image, labels)
        The recipe's, or the case's own windows.
    """

    stage: Stage
    sampler: Sampler

    @classmethod
    def of(cls, case: Case, stage: Stage) -> KnownCase:
        """Return what `stage` has to know about `case`."""
        sampler = stage.recipe.sampler
        windows = sampler.of_case(case, stage) if isinstance(sampler, EpochSampler) else sampler
        return cls(stage=fit(stage, case.scan), sampler=windows)

    @property
    def count(self) -> int:
        """Windows of the case in one epoch."""
        return self.sampler.count if isinstance(self.sampler, CaseWindows) else self.stage.recipe.windows_per_case

    def window(self, case: Case, rng: np.random.Generator, number: int | None = None) -> Window:
        """Return window `number` of an epoch where windows are numbered; any window else, or for None."""
        if number is not None and isinstance(self.sampler, CaseWindows):
            return self.sampler.numbered(number, case, self.stage, rng)
        return self.sampler(case, self.stage, rng)
