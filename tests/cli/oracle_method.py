"""A method whose networks read the answer from marked intensities, registered for the tests of the command line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from napari_kidney_seg.core.averaging import Averaging
from napari_kidney_seg.core.recipe import IGNORE, Recipe
from tests.inference.fakes import LESION, ORGAN, method_of, oracle_stage

LESION_TARGET = np.array([IGNORE, 0, 2, 1], np.int64)  # of label ids 0 to 3


def first_window(case, stage, rng):
    """Cut the same window every time."""
    where = tuple(slice(4, 4 + size) for size in stage.window)
    return stage.normalize(case.scan.array[where], case.scan.spacing), case.labels[where]


def loss():
    def per_sample(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cross_entropy(scores, target, ignore_index=IGNORE, reduction="none").mean(dim=(1, 2, 3))

    return per_sample


RECIPE = Recipe(sampler=first_window, target=lambda labels: (labels > 0).astype(np.int64), loss=loss, batch=1, epochs=3)
KIDNEY = replace(oracle_stage("kidney", ORGAN), recipe=RECIPE)
LESIONS = replace(oracle_stage("lesion", LESION), recipe=replace(RECIPE, target=lambda labels: LESION_TARGET[labels]))
SAME = {"compact": lambda method: method, "paper": lambda method: method}
METHOD = method_of(KIDNEY, LESIONS, averagings=(Averaging(name="mirrored", mirrors=((0,), (1,))),), presets=SAME)
