"""One stage and the cases it learns from: makes batches, losses and validation scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.io.bundle import describe_stage
from napari_kidney_seg.training.cases import Case, CaseFiles
from napari_kidney_seg.training.dataset import Dataset
from napari_kidney_seg.training.known_case import EpochSampler, KnownCase
from napari_kidney_seg.training.sampling import draw_order

VALIDATION_STREAM, MIXUP_STREAM, ORDER_STREAM = 1, 2, 3  # keep the random streams of a seed apart


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows for one step: images (B, I, Z, Y, X) float32, targets (B, [T,] Z, Y, X), and each one's case."""

    images: Tensor
    targets: Tensor
    cases: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class StageTask:
    """A stage with its training and validation cases.

    Attributes
    ----------
    stage : Stage
    training, validation : Dataset
    seed : int
        Every window follows from (seed, epoch, position), so that a resumed run equals an uninterrupted one.
    validation_windows : int
        Fixed windows, drawn in turn from the validation cases.
    """

    stage: Stage
    training: Dataset
    validation: Dataset
    seed: int = 0
    validation_windows: int = 16
    _known: dict[tuple[bool, int], KnownCase] = field(default_factory=dict, init=False, repr=False, compare=False)

    def facts(self) -> dict[str, Any]:
        """Return what a resumed run must have in common with the run it continues, as JSON values."""
        return {
            "stage": self.stage.name,
            "sizes": describe_stage(self.stage),
            "epochs": self.stage.recipe.epochs,
            "seed": self.seed,
            "cases": [case.name for case in self.training.cases],
        } | ({"found": self._found()} if self.stage.guides else {})

    def _found(self) -> list[str]:
        """Return the cases of which it is known what an earlier stage finds in them: there the guides are others."""
        return [case.name for case in self.training.cases if isinstance(case, CaseFiles) and case.found]

    def epoch_order(self, epoch: int, losses: dict[int, float]) -> list[int]:
        """Return the case of every window of `epoch`."""
        rng = np.random.default_rng([self.seed, ORDER_STREAM, epoch])
        recipe = self.stage.recipe
        if isinstance(recipe.sampler, EpochSampler):
            counts = [self._known_case(case, self.training.load(case)).count for case in range(len(self.training))]
            return [int(case) for case in rng.permutation(np.repeat(np.arange(len(counts)), counts))]
        order = [
            draw_order(len(self.training), losses, recipe.hard_fraction, rng) for _ in range(recipe.windows_per_case)
        ]
        return [case for part in order for case in part]

    def window(
        self, case: int, seed: list[int], *, augmented: bool, number: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return image (I, Z, Y, X), CT first and then the guides, and target (Z, Y, X) of a window of case `case`.

        Parameters
        ----------
        case : index in the training cases when `augmented`, else in the validation cases
        seed : list of int
            Of the random stream, besides the seed of the task.
        augmented : bool
        number : int or None
            Of the window among those of its case and epoch, for samplers that number them.
        """
        rng = np.random.default_rng([self.seed, *seed])
        recipe = self.stage.recipe
        data = (self.training if augmented else self.validation).load(case)
        known = self._known_case(case, data, is_training=augmented)
        image, labels = known.window(data, rng, number)
        for change in recipe.augmentation if augmented else ():
            image, labels = change(image, labels, rng)
        guides = [guide.drawn(labels, rng) for guide in self.stage.guides]
        return torch.from_numpy(np.stack([image, *guides])), torch.from_numpy(recipe.target(labels))

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the fixed validation windows, one a batch."""
        if not len(self.validation):
            return
        for number in range(self.validation_windows):
            case = number % len(self.validation)
            image, target = self.window(case, [VALIDATION_STREAM, number], augmented=False)
            yield Batch(image[None], target[None], (case,))

    def _known_case(self, index: int, case: Case, *, is_training: bool = True) -> KnownCase:
        """Return what is known about `case`; found out when it is first seen."""
        key = (is_training, index)
        if key not in self._known:
            self._known[key] = KnownCase.of(case, self.stage)
        return self._known[key]


class WindowStream(torch.utils.data.Dataset[tuple[Tensor, Tensor, int]]):
    """The windows of one epoch, in order, for a torch DataLoader."""

    def __init__(self, task: StageTask, epoch: int, order: list[int]) -> None:
        self.task, self.epoch, self.order = task, epoch, order
        self.numbers = _occurrences(order)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor, int]:
        """Return image, target and case index of window `position`."""
        case = self.order[position]
        seed, number = [0, self.epoch, position], self.numbers[position]
        image, target = self.task.window(case, seed, augmented=True, number=number)
        return image, target, case


def _occurrences(order: list[int]) -> list[int]:
    """Return, for each item of `order`, how often it came before."""
    seen: Counter[int] = Counter()
    numbers = []
    for item in order:
        numbers.append(seen[item])
        seen[item] += 1
    return numbers


def mix(images: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor, float]:
    """Return mixed images, the index of each one's partner and the share of the first one.

    Parameters
    ----------
    images : shape (B, I, Z, Y, X), B at least 2
    alpha : float
        The share is drawn from Beta(alpha, alpha).
    rng : numpy Generator

    References
    ----------
    .. [1] Zhang et al., "mixup", ICLR 2018, arXiv:1710.09412.
    """
    share = float(rng.beta(alpha, alpha))
    shift = int(rng.integers(1, len(images)))  # never with itself
    partners = torch.arange(len(images), device=images.device).roll(shift)
    return share * images + (1 - share) * images[partners], partners, share
