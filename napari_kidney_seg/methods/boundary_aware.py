"""Boundary-aware network (KiTS19): one network on a fine grid that learns the edges of what it outlines.

A residual encoder and decoder reads blocks of the whole scan at 1 mm. Beside it a stream follows the edges of kidney
and tumor through attention gates; the last convolution reads both. Kidney (with its masses) and tumor are asked for
apart, each with a sigmoid. Predictions for a block and its seven mirror images are averaged, and those of five networks
that were trained on different parts of the data. There is no cascade and no later cleaning. Cysts are kidney, as in
KiTS19.

======  ==============  ===============  =============================
stage   sees            size (z, y, x)   answers
======  ==============  ===============  =============================
kidney  the whole scan  176 x 176 x 176  kidney with its masses, tumor
======  ==============  ===============  =============================

References
----------
.. [1] Myronenko and Hatamizadeh, "3D Kidneys and Kidney Tumor Semantic Segmentation using Boundary-Aware Networks",
   KiTS19, arXiv:1909.06684.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from napari_kidney_seg.core.averaging import Averaging
from napari_kidney_seg.core.geometry import Geometry, Shape
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Method, Paper, Stage, StageOutput
from napari_kidney_seg.core.recipe import Recipe
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.inference.fusion import Labeling, nested_thresholds
from napari_kidney_seg.inference.regions import WholeScan
from napari_kidney_seg.training.augmentation import Flip, ScaleShift
from napari_kidney_seg.training.class_sampling import ClassCenteredCrop
from napari_kidney_seg.training.targets import kits19_classes

if TYPE_CHECKING:
    import torch

# -- constants ---------------------------------------------------------------------------------------------------------

CLASSES = ("kidney", "tumor")  # nested: a voxel of the tumor is also one of the kidney
IDS = tuple(KITS[name].id for name in CLASSES)
INTENSITY = (Window(low=-1000, high=1000, to_low=-1, to_high=1),)  # HU / 1000, clipped; section 4
ALL_FLIPS = tuple(axes for count in (1, 2, 3) for axes in combinations((0, 1, 2), count))  # our choice
ABDOMEN = (Window(low=-200, high=400, to_low=-1, to_high=1),)  # HU; of preset compact, see there
BLOCKS_DOWN = (1, 1, 1, 4)  # residual blocks per level; section 3.1
# Of the centers of training windows in few steps: nothing is cleaned later, so the rest of the body must be seen often.
COMPACT_SHARES = (("tumor", 0.25), ("foreground", 0.25), ("background", 0.5))

# How much a run averages: the rows of the paper's table 1. The last one takes every network of the bundle.
AVERAGINGS = (
    Averaging(name="single", mirrors=(), members=1),
    Averaging(name="single+TTA", mirrors=ALL_FLIPS, members=1),
    Averaging(name="paper", mirrors=ALL_FLIPS),
)


# -- network and loss --------------------------------------------------------------------------------------------------


def boundary_aware_network(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.boundary_aware.BoundaryAwareNetwork` of the given sizes."""
    from napari_kidney_seg.networks.boundary_aware import BoundaryAwareNetwork

    return BoundaryAwareNetwork(**sizes)


def boundary_loss() -> Callable[..., torch.Tensor]:
    """Return squared Dice of structures and edges plus the balanced cross-entropy of the edges."""
    from napari_kidney_seg.training.losses.boundary import BoundaryLoss

    return BoundaryLoss(bce="mean")


# -- recipe (section 4) ------------------------------------------------------------------------------------------------

RECIPE = Recipe(
    sampler=ClassCenteredCrop(),
    target=kits19_classes,
    loss=boundary_loss,
    augmentation=(Flip(axes=(0, 1, 2)), ScaleShift(scale=0.1, shift=0.1)),
    optimizer="adam",
    learning_rate=5e-5,
    weight_decay=1e-5,
    schedule="poly",
    batch=8,
    epochs=300,
)


# -- stage -------------------------------------------------------------------------------------------------------------

KIDNEY = Stage(
    name="kidney",
    title="Boundary-aware network: outlines kidneys and tumors",
    classes=CLASSES,
    network=boundary_aware_network,
    network_args={"classes": len(CLASSES), "width": 16, "blocks_down": BLOCKS_DOWN, "fuse": "features"},
    region=WholeScan(),
    grid=WorkingGrid(spacing=(1.0, 1.0, 1.0)),
    intensity=INTENSITY,
    window=(176, 176, 176),
    blending="gaussian",
    mirrors=ALL_FLIPS,
    activation="sigmoid",
    recipe=RECIPE,
)


# -- fusion ------------------------------------------------------------------------------------------------------------


def fuse(outputs: Mapping[str, StageOutput], geometry: Geometry) -> Labeling:
    """Return KiTS labels: kidney where its probability exceeds one half, tumor likewise, also outside the kidney."""
    return nested_thresholds(outputs["kidney"], geometry, IDS)


# -- presets -----------------------------------------------------------------------------------------------------------


def _paper(method: Method) -> Method:
    return method


def _resized(method: Method, spacing_mm: float, window: Shape, recipe: Recipe) -> Method:
    """Return half the width on a coarser grid, one prediction a window: eight would take minutes on a processor.

    A person who has them can choose eight (`AVERAGINGS`).
    """
    (stage,) = method.stages
    resized = replace(
        stage,
        network_args={**stage.network_args, "width": 8},
        grid=WorkingGrid(spacing=(spacing_mm,) * 3),
        window=window,
        overlap=(0.25, 0.25, 0.25),
        mirrors=(),
        recipe=recipe,
    )
    return replace(method, stages=(resized,))


def _compact(method: Method) -> Method:
    """Return the network at 3 mm, with a window of soft tissue, trained on more windows without a tumor.

    With the paper's window, in which organs differ by some hundredths, few steps taught it little.
    """
    # With a small share of the paper's steps the learning rate must be higher; with 1.5e-3 the loss stayed near 2.
    recipe = replace(RECIPE, sampler=ClassCenteredCrop(shares=COMPACT_SHARES), batch=2, learning_rate=7e-4, epochs=30)
    resized = _resized(method, 3.0, (40, 64, 64), recipe)
    return replace(resized, stages=tuple(replace(stage, intensity=ABDOMEN) for stage in resized.stages))


def _smoke(method: Method) -> Method:
    """Return sizes for tests: seconds on a processor."""
    return _resized(method, 5.0, (24, 32, 32), replace(RECIPE, batch=2, learning_rate=5e-4, epochs=100))


METHOD = Method(
    name="boundary-aware",
    title="Boundary-aware network",
    idea=(
        "One network reads the whole scan block by block. A stream of its own follows the edges of kidneys and tumors, "
        "and what it finds sharpens their outlines. Mirrored predictions and several networks are averaged."
    ),
    paper=Paper(
        authors="Andriy Myronenko, Ali Hatamizadeh",
        title="3D Kidneys and Kidney Tumor Semantic Segmentation using Boundary-Aware Networks",
        venue="2019 Kidney Tumor Segmentation Challenge, MICCAI 2019, arXiv:1909.06684",
        url="https://arxiv.org/abs/1909.06684",
        challenge="KiTS19",
    ),
    classes=CLASSES,
    stages=(KIDNEY,),
    fuse=fuse,
    fuses=("kidney",),
    averagings=AVERAGINGS,
    presets={"paper": _paper, "compact": _compact, "smoke": _smoke},
)
