"""Threshold segmentation: one learned threshold on the attenuation. The least a method can be, all in one file."""

from __future__ import annotations

import numpy as np
import torch

from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.method import Method, Paper, Stage
from napari_kidney_seg.core.recipe import Recipe
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.inference.fusion import mask_of
from napari_kidney_seg.inference.regions import WholeScan
from napari_kidney_seg.training.sampling import RandomBox


def threshold() -> torch.nn.Module:
    """Return scores of background and kidney that are linear in the normalized attenuation."""
    return torch.nn.Conv3d(1, 2, 1)


def loss():
    """Return Dice plus cross-entropy."""
    from napari_kidney_seg.training.losses.dice_cross_entropy import MaskedDiceCrossEntropy

    return MaskedDiceCrossEntropy(class_weights=(1.0, 1.0))


def fuse(outputs, geometry):
    """Return kidney where it is likelier than not."""
    return (yield from mask_of(outputs["kidney"], geometry)).astype(np.uint8)


KIDNEY = Stage(
    name="kidney",
    title="Threshold",
    classes=("background", "kidney"),
    network=threshold,
    network_args={},
    region=WholeScan(),
    grid=WorkingGrid(),
    intensity=(Window(low=-200, high=400, to_low=-1, to_high=1),),
    window=(16, 32, 32),
    recipe=Recipe(
        sampler=RandomBox(scale=(1.0, 1.0)),
        target=lambda labels: (labels > 0).astype(np.uint8),
        loss=loss,
        optimizer="adam",
        learning_rate=0.4,
        batch=2,
        epochs=25,
    ),
)

METHOD = Method(
    name="threshold",
    title="Threshold",
    idea="Whatever is bright enough is kidney.",
    paper=Paper(authors="Nobuyuki Otsu", title="A Threshold Selection Method", venue="", url="", challenge="none"),
    classes=("kidney",),
    stages=(KIDNEY,),
    fuse=fuse,
    presets={"paper": lambda method: method, "compact": lambda method: method},
)
