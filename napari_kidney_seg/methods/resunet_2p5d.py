"""Coarse-to-fine 2.5D ResUNet (KiTS23), the default method.

A 3D residual U-Net sees the whole scan squeezed into a small cube and finds the kidneys. One box around both is resized
in-plane, its slices are left as they are, and two 2.5D residual U-Nets, which never down-sample along z, read it in
blocks of slices: one tells kidney from the rest, one tells kidney, cyst and tumor apart inside the kidney. Predictions
for a block and its z-mirror are averaged; small components are removed.

======  ==========================  ==================  ==========================
stage   sees                        size (z, y, x)      answers
======  ==========================  ==================  ==========================
coarse  the whole scan              128 x 128 x 128     background, kidney
kidney  box around the kidneys      48 x 224 x 384      background, kidney
lesion  the same box                48 x 224 x 384      kidney, cyst, tumor
======  ==========================  ==================  ==========================

References
----------
.. [1] Chen and Zhang, "An Ensemble of 2.5D ResUnet Based Models for Segmentation of Kidney and Masses", KiTS23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry, Shape
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Method, Paper, Stage, StageOutput, WorkingGrid
from napari_kidney_seg.core.recipe import IGNORE, Recipe
from napari_kidney_seg.imaging.components import KeepLargerThan, KeepLargerThanMl, KeepLargest, voxel_ml
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.inference.fusion import masked_argmax
from napari_kidney_seg.inference.regions import AroundForeground, WholeScan
from napari_kidney_seg.training.augmentation import BrightnessContrastGamma, Elastic, Flip
from napari_kidney_seg.training.sampling import RandomBox, RegionSlab

if TYPE_CHECKING:
    import torch

# -- constants ---------------------------------------------------------------------------------------------------------

INTENSITY = (Window(low=-200, high=400, to_low=-1, to_high=1),)  # HU; section 2.1
MARGIN_MM = 20.0  # around the coarse kidneys; our choice, gives 0.60 x 0.70 mm pixels for the median KiTS23 case
COARSE_MIN_ML = 1.0  # smaller coarse components are noise; our choice
MIN_COMPONENT_VOXELS = 10_000  # section 2.3, on the foreground as a whole
MIN_COMPONENT_ML = 22.0  # the same at the median KiTS23 voxel of 2.2 mm3
KITS_COMPONENT_ML = (1.8, 54.0)  # what 10 000 voxels are across the spacings of KiTS23
MAX_PIXEL_MM = 1.2  # after resizing to the paper's 224 x 384; beyond it each kidney gets a box of its own; our choice
WIDE_SHARE = 0.15  # of training windows, cut as if the coarse stage had raised a false alarm; our choice
LESION_SHARE = 0.6  # of the lesion network's training windows, chosen to hold one; our choice
LESION_CLASSES = ("kidney", "cyst", "tumor")
LESION_WEIGHTS = (1.0, 2.0, 2.0)  # our choice

ISOTROPIC, IN_PLANE = (3, 3, 3), (1, 3, 3)


# -- networks ----------------------------------------------------------------------------------------------------------


def residual_unet(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.residual_unet.ResidualUNet` of the given sizes."""
    from napari_kidney_seg.networks.residual_unet import ResidualUNet

    return ResidualUNet(**sizes)


def _coarse_sizes(widths: tuple[int, ...]) -> dict[str, Any]:
    """Return the sizes of the 3D network: every level down-samples every axis."""
    return {
        "classes": 2,
        "widths": widths,
        "kernels": (ISOTROPIC,) * len(widths),
        "strides": ((2, 2, 2),) * (len(widths) - 1),
    }


def _fine_sizes(classes: int, widths: tuple[int, int, int, int]) -> dict[str, Any]:
    """Return the sizes of a 2.5D network: in-plane kernels at the two finest levels, no down-sampling along z."""
    return {
        "classes": classes,
        "widths": widths,
        "kernels": (IN_PLANE, IN_PLANE, ISOTROPIC, ISOTROPIC),
        "strides": ((1, 2, 2),) * 3,
    }


# -- targets and losses ------------------------------------------------------------------------------------------------


def kidney_target(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 1 where `labels` hold kidney or a mass in it, else 0."""
    return (labels > 0).astype(np.uint8)


def lesion_target(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 0 kidney, 1 cyst, 2 tumor, and `IGNORE` outside the kidneys, where this stage is never asked."""
    lookup = np.array([IGNORE, 0, 2, 1], np.uint8)
    return lookup[labels]


def kidney_loss() -> Callable[..., torch.Tensor]:
    """Return Dice plus cross-entropy with equal weights."""
    from napari_kidney_seg.training.losses.dice_cross_entropy import MaskedDiceCrossEntropy

    return MaskedDiceCrossEntropy(class_weights=(1.0, 1.0))


def lesion_loss() -> Callable[..., torch.Tensor]:
    """Return Dice plus cross-entropy inside the kidneys, cyst and tumor counting double."""
    from napari_kidney_seg.training.losses.dice_cross_entropy import MaskedDiceCrossEntropy

    return MaskedDiceCrossEntropy(class_weights=LESION_WEIGHTS)


# -- recipes (tables 2 and 3, section 3.2) -----------------------------------------------------------------------------

DISTORTIONS = (
    Elastic(probability=0.5, sigma=(3, 5), magnitude=(100, 200)),
    BrightnessContrastGamma(),
    BrightnessContrastGamma(within=(2, 3)),
)

COARSE_RECIPE = Recipe(
    sampler=RandomBox(),
    target=kidney_target,
    loss=kidney_loss,
    augmentation=DISTORTIONS,
    optimizer="adamw",
    learning_rate=1e-4,
    weight_decay=1e-4,
    schedule="cosine",
    batch=4,
    epochs=300,
    mixup_alpha=0.2,
    hard_fraction=0.2,
)
KIDNEY_RECIPE = replace(
    COARSE_RECIPE,
    sampler=RegionSlab(margin_mm=MARGIN_MM, wide_share=WIDE_SHARE),
    augmentation=(*DISTORTIONS, Flip(axes=(0,))),
    epochs=600,
)
LESION_RECIPE = replace(
    KIDNEY_RECIPE,
    sampler=RegionSlab(margin_mm=MARGIN_MM, wide_share=WIDE_SHARE, lesion_share=LESION_SHARE),
    target=lesion_target,
    loss=lesion_loss,
)


# -- stages ------------------------------------------------------------------------------------------------------------

COARSE = Stage(
    name="coarse",
    title="Coarse ResUNet: finds the kidneys",
    classes=("background", "kidney"),
    network=residual_unet,
    network_args=_coarse_sizes((16, 32, 64, 128, 256)),
    region=WholeScan(),
    grid=WorkingGrid(shape=(128, 128, 128)),
    intensity=INTENSITY,
    window=(128, 128, 128),
    cleaning=KeepLargest(count=2, min_ml=COARSE_MIN_ML),
    recipe=COARSE_RECIPE,
)

KIDNEY = Stage(
    name="kidney",
    title="Kidney ResUNet: outlines the kidneys with their masses",
    classes=("background", "kidney"),
    network=residual_unet,
    network_args=_fine_sizes(2, (32, 64, 128, 256)),
    requires=("coarse",),
    region=AroundForeground(
        sources=("coarse",),
        margin_mm=MARGIN_MM,
        grid=WorkingGrid(shape=(None, 224, 384)),
        max_spacing_mm=MAX_PIXEL_MM,
    ),
    grid=WorkingGrid(shape=(None, 224, 384)),
    intensity=INTENSITY,
    window=(48, 224, 384),
    blending="gaussian",
    mirrors=((0,),),
    recipe=KIDNEY_RECIPE,
)

LESION = replace(
    KIDNEY,
    name="lesion",
    title="Lesion ResUNet: tells cyst and tumor from kidney",
    classes=LESION_CLASSES,
    network_args=_fine_sizes(3, (32, 64, 128, 256)),
    requires=("kidney",),
    # The coarse box where there is one, as in the paper; around the kidneys alone when a person gave them.
    region=replace(KIDNEY.region, sources=("coarse", "kidney")),  # type: ignore[type-var]
    recipe=LESION_RECIPE,
)


# -- fusion ------------------------------------------------------------------------------------------------------------


def fuse(outputs: Mapping[str, StageOutput], geometry: Geometry) -> NDArray[np.uint8]:
    """Return KiTS labels: inside the kidneys the likeliest of kidney, cyst and tumor; small components removed.

    The rule acts on the foreground as a whole: per class it would erase every tumor of 185 of 489 KiTS23 cases.
    """
    labels = masked_argmax(outputs["kidney"], outputs["lesion"], geometry, [KITS[name].id for name in LESION_CLASSES])
    keep = component_rule(geometry)(labels > 0, geometry.spacing)
    return np.where(keep, labels, 0).astype(np.uint8)


def component_rule(geometry: Geometry) -> KeepLargerThan | KeepLargerThanMl:
    """Return the paper's rule in voxels for grids like those of KiTS23, and its equal in ml for others."""
    low, high = KITS_COMPONENT_ML
    if low <= MIN_COMPONENT_VOXELS * voxel_ml(geometry.spacing) <= high:
        return KeepLargerThan(voxels=MIN_COMPONENT_VOXELS)
    return KeepLargerThanMl(ml=MIN_COMPONENT_ML)


# -- presets -----------------------------------------------------------------------------------------------------------


def _paper(method: Method) -> Method:
    return method


def _resized(stage: Stage, network_args: dict[str, Any], grid: WorkingGrid, window: Shape) -> Stage:
    region = stage.region
    if isinstance(region, AroundForeground):
        region = replace(region, grid=grid, max_spacing_mm=2 * MAX_PIXEL_MM)
    return replace(stage, network_args=network_args, grid=grid, window=window, region=region)


def _compact(method: Method) -> Method:
    """Return half the in-plane resolution, slices of 3 mm and narrower networks."""
    cube, slab = WorkingGrid(shape=(64, 80, 80)), WorkingGrid(shape=(None, 112, 192), spacing=(3.0, None, None))
    coarse, kidney, lesion = method.stages
    widths = (16, 32, 64, 96)
    resized = (
        _resized(coarse, _coarse_sizes((8, 16, 32, 64, 80)), cube, (64, 80, 80)),
        _resized(kidney, _fine_sizes(2, widths), slab, (24, 112, 192)),
        _resized(lesion, _fine_sizes(3, widths), slab, (24, 112, 192)),
    )
    # With a small share of the paper's steps the learning rate must be higher.
    stages = tuple(replace(s, recipe=replace(s.recipe, batch=2, learning_rate=1.5e-3)) for s in resized)
    return replace(method, stages=stages)


def _smoke(method: Method) -> Method:
    """Return sizes for tests: seconds on a processor."""
    cube, slab = WorkingGrid(shape=(32, 32, 32)), WorkingGrid(shape=(None, 48, 80), spacing=(5.0, None, None))
    coarse, kidney, lesion = method.stages
    widths = (4, 8, 16, 32)
    resized = (
        _resized(coarse, _coarse_sizes((4, 8, 16, 32, 64)), cube, (32, 32, 32)),
        _resized(kidney, _fine_sizes(2, widths), slab, (16, 48, 80)),
        _resized(lesion, _fine_sizes(3, widths), slab, (16, 48, 80)),
    )
    stages = tuple(replace(s, recipe=replace(s.recipe, batch=2, epochs=100, learning_rate=3e-3)) for s in resized)
    return replace(method, stages=stages)


METHOD = Method(
    name="resunet-2.5d",
    title="Coarse-to-fine 2.5D ResUNet",
    idea=(
        "A small 3D network finds the kidneys in the whole scan; two networks that look slice by slice, with a little "
        "context along z, then outline the kidneys and tell cyst and tumor from kidney inside them."
    ),
    paper=Paper(
        authors="Cancan Chen, Rongguo Zhang",
        title="An Ensemble of 2.5D ResUnet Based Models for Segmentation of Kidney and Masses",
        venue="KiTS 2023, Lecture Notes in Computer Science 14540, Springer 2024",
        url="https://doi.org/10.1007/978-3-031-54806-2",
        challenge="KiTS23",
    ),
    stages=(COARSE, KIDNEY, LESION),
    fuse=fuse,
    fuses=("kidney", "lesion"),
    presets={"paper": _paper, "compact": _compact, "smoke": _smoke},
)
