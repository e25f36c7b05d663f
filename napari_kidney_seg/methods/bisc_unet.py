"""BiSC-UNet (KiTS19): a rough SC-UNet finds the kidneys, a fine one outlines them one by one.

An SC-UNet is a 3D U-Net that learns the edges of kidney and tumor beside their voxels. The rough one sees the whole
scan at 128 x 128 pixels, in blocks of slices. Around each of the two largest things it finds lies a region of standard
size, which the fine one sees whole, at the resolution of the data set. Where two regions overlap, their mean counts.
Cysts are kidney here, as in KiTS19.

======  ===========================  ========================  ===========================
stage   sees                         size (z, y, x)            answers
======  ===========================  ========================  ===========================
rough   the whole scan, slices 3 mm  32 x 128 x 128            background, kidney, tumor
fine    the region of one kidney     16 n x 160 x 160, or 192  background, kidney, tumor
======  ===========================  ========================  ===========================

References
----------
.. [1] Wang et al., "BiSC-UNet: A fine segmentation framework for kidney and renal tumor", KiTS19,
   doi:10.24926/548719.013.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_kidney_seg.core.geometry import Geometry, Shape, Spacing
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Method, Paper, Stage, StageOutput
from napari_kidney_seg.core.recipe import Recipe
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.inference.fusion import Labeling, argmax_labels
from napari_kidney_seg.inference.regions import SizedAroundEachComponent, WholeScan
from napari_kidney_seg.training.augmentation import Flip, ScaleShift
from napari_kidney_seg.training.roi_sampling import RandomSlab, RegionCrop
from napari_kidney_seg.training.targets import ClassesAndEdges

if TYPE_CHECKING:
    import torch

# -- constants ---------------------------------------------------------------------------------------------------------

CLASSES = ("background", "kidney", "tumor")
IDS = (0, KITS["kidney"].id, KITS["tumor"].id)
SPACING = (3.0, 0.781625, 0.781625)  # mm; section 3.1, the release "interpolated" of KiTS19
INTENSITY = (Window(low=-1024, high=1024, to_low=0, to_high=1),)  # HU; our choice, as in the group's public code
ABDOMEN = (Window(low=-200, high=400, to_low=0, to_high=1),)  # HU; alternative, should converge faster
REGION_SIZES = (160, 192)  # voxels in-plane; section 3.2; larger kidneys get the next multiple of REGION_MULTIPLE
REGION_MULTIPLE = 16  # voxels along z; section 3.2
KIDNEYS = 2  # largest components kept; section 3.2
KIDNEY_MIN_ML = 10.0  # smaller components are noise; our choice
HARD_THRESHOLD = 0.1  # T of equation 1; our choice
WIDTH = 16  # channels of the first convolution; our choice
INTENSITIES = ScaleShift(scale=0.15, shift=0.15)  # of the compact preset's training windows; our choice


# -- networks ----------------------------------------------------------------------------------------------------------


def sc_unet(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.sc_unet.ScUNet` of the given sizes."""
    from napari_kidney_seg.networks.sc_unet import ScUNet

    return ScUNet(**sizes)


# -- losses ------------------------------------------------------------------------------------------------------------


def balanced_loss() -> Callable[..., torch.Tensor]:
    """Return the class-balanced cross-entropy over hard voxels, summed over the three branches."""
    from napari_kidney_seg.training.losses.balanced_cross_entropy import BalancedCrossEntropy, SumOverBranches

    return SumOverBranches(branch=BalancedCrossEntropy(hard_threshold=HARD_THRESHOLD))


def plain_loss() -> Callable[..., torch.Tensor]:
    """Return plain cross-entropy summed over the three branches: the paper's ablation (table 1)."""
    from napari_kidney_seg.training.losses.balanced_cross_entropy import PlainCrossEntropy, SumOverBranches

    return SumOverBranches(branch=PlainCrossEntropy())


# -- recipes (sections 3.1 and 3.2) ------------------------------------------------------------------------------------

REGION = SizedAroundEachComponent(
    sources=("rough",), spacing=SPACING, sizes=REGION_SIZES, multiple=REGION_MULTIPLE, count=KIDNEYS
)

# 4000 iterations: 20 epochs of 200, the habit of the group's public code; 168 training cases, 8 a batch.
ROUGH_RECIPE = Recipe(
    sampler=RandomSlab(),
    target=ClassesAndEdges(),
    loss=balanced_loss,
    augmentation=(Flip(axes=(0, 1, 2)),),
    optimizer="adam",
    learning_rate=1e-4,
    schedule="constant",
    batch=8,
    epochs=20,
    windows_per_case=10,
)
FINE_RECIPE = replace(ROUGH_RECIPE, sampler=RegionCrop(rule=REGION, min_ml=KIDNEY_MIN_ML))


# -- stages ------------------------------------------------------------------------------------------------------------

ROUGH = Stage(
    name="rough",
    title="Rough SC-UNet: finds the kidneys",
    classes=CLASSES,
    network=sc_unet,
    network_args={"classes": len(CLASSES), "width": WIDTH},
    region=WholeScan(),
    grid=WorkingGrid(shape=(None, 128, 128), spacing=(SPACING[0], None, None)),
    intensity=INTENSITY,
    window=(32, 128, 128),
    blending="constant",
    cleaning=KeepLargest(count=KIDNEYS, min_ml=KIDNEY_MIN_ML),
    recipe=ROUGH_RECIPE,
)

FINE = replace(
    ROUGH,
    name="fine",
    title="Fine SC-UNet: outlines each kidney and its tumor",
    requires=("rough",),
    region=REGION,
    grid=WorkingGrid(spacing=SPACING),
    window=(32, 96, 96),
    divisor=(REGION_MULTIPLE,) * 3,
    cleaning=None,
    recipe=FINE_RECIPE,
)


# -- fusion ------------------------------------------------------------------------------------------------------------


def fuse(outputs: Mapping[str, StageOutput], geometry: Geometry) -> Labeling:
    """Return KiTS labels: the fine network's most probable class in the regions, background outside them."""
    return argmax_labels(outputs["fine"], geometry, IDS)


# -- presets -----------------------------------------------------------------------------------------------------------


def _paper(method: Method) -> Method:
    return method


def _abdomen(method: Method) -> Method:
    """Return the paper's sizes with a window of soft tissue."""
    return replace(method, stages=tuple(replace(stage, intensity=ABDOMEN) for stage in method.stages))


def _resized(method: Method, width: int, rough: Shape, spacing: Spacing, fine: Shape) -> Method:
    """Return networks of `width` on coarser grids; the regions keep their size in millimeters.

    Parameters
    ----------
    method : Method
    width : channels of the first convolution
    rough : (z, y, x)
        Window of the rough stage, as wide as the scan; its slices are twice as thick as those of `spacing`.
    spacing : (sz, sy, sx), mm
        Of the fine stage.
    fine : (z, y, x)
        Training window of the fine stage.
    """
    scale = SPACING[1] / spacing[1]
    region = replace(REGION, spacing=spacing, sizes=tuple(round(size * scale) for size in REGION_SIZES))
    grid = WorkingGrid(shape=(None, *rough[1:]), spacing=(2 * spacing[0], None, None))
    sampler = RegionCrop(rule=region, min_ml=KIDNEY_MIN_ML)
    first, second = (replace(s, network_args={**s.network_args, "width": width}) for s in method.stages)
    second = replace(second, region=region, recipe=replace(second.recipe, sampler=sampler))
    stages = (
        replace(first, grid=grid, window=rough),
        replace(second, grid=WorkingGrid(spacing=spacing), window=fine),
    )
    return replace(method, stages=stages)


def _retimed(method: Method, learning_rate: float, epochs: int) -> Method:
    """Return recipes for a small share of the paper's steps: a higher learning rate that falls to 0."""

    def retimed(recipe: Recipe) -> Recipe:
        return replace(recipe, batch=2, learning_rate=learning_rate, schedule="cosine", epochs=epochs)

    return replace(method, stages=tuple(replace(s, recipe=retimed(s.recipe)) for s in method.stages))


def _compact(method: Method) -> Method:
    """Return two fifths of the in-plane resolution and half the channels, with a window of soft tissue.

    Intensities vary beside the paper's mirrors, since the bundled weights learn from rendered scans alone. After a
    quarter of the epochs plain cross-entropy takes over: with few steps the balanced one, for which a voxel of kidney
    weighs some thirty times one of the background, still marks twice what is there in the end; the plain one alone
    finds nothing for a long time.
    """
    sized = _resized(_abdomen(method), 8, (16, 64, 64), (3.0, 1.9540625, 1.9540625), (32, 48, 48))
    stages = _retimed(sized, 1.5e-3, 20).stages
    return replace(sized, stages=tuple(replace(s, recipe=_varied(s.recipe)) for s in stages))


def _varied(recipe: Recipe) -> Recipe:
    return replace(recipe, final_loss=plain_loss, augmentation=(*recipe.augmentation, INTENSITIES))


def _smoke(method: Method) -> Method:
    """Return sizes for tests: seconds on a processor."""
    return _retimed(_resized(_abdomen(method), 4, (16, 48, 48), (5.0, 3.1265, 3.1265), (16, 32, 32)), 3e-3, 100)


METHOD = Method(
    name="bisc-unet",
    title="BiSC-UNet, rough to fine",
    idea=(
        "A rough network finds the kidneys in the whole scan at low resolution; a fine one of the same design looks at "
        "each kidney and outlines it and its tumor. Both also learn the edges of what they outline."
    ),
    paper=Paper(
        authors="Chuanxia Wang, Yuting He, Xiaoming Qi, Ziteng Zhao, Guanyu Yang, Xiaomei Zhu, Shaobo Zhang, "
        "Jean-Louis Dillenseger, Jean-Louis Coatrieux",
        title="BiSC-UNet: A fine segmentation framework for kidney and renal tumor",
        venue="2019 Kidney Tumor Segmentation Challenge, MICCAI 2019",
        url="https://doi.org/10.24926/548719.013",
        challenge="KiTS19",
    ),
    classes=("kidney", "tumor"),
    stages=(ROUGH, FINE),
    fuse=fuse,
    fuses=("fine",),
    presets={"paper": _paper, "abdomen": _abdomen, "compact": _compact, "smoke": _smoke},
)
