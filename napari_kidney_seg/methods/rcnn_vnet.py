"""Faster R-CNN detection and V-Net segmentation (KiTS19).

A Faster R-CNN looks at one axial slice after the other and draws a rectangle around each kidney with its tumors.
Stacked along z, the rectangles form components; the two largest are the kidneys, unless one is more than three times as
large as the other. The box around each is squeezed to a small volume, in which a V-Net tells kidney and tumor from the
rest. The largest component of each box is put back.

============  =====================  ==================  ===========================
stage         sees                   size (z, y, x)      answers
============  =====================  ==================  ===========================
kidney        every slice            1 x 512 x 512       rectangles of the kidneys
segmentation  a box per kidney       32 x 64 x 64        background, kidney, tumor
============  =====================  ==================  ===========================

The method knows no cyst: in KiTS19 it is kidney. The published weights started from COCO: give such a file, or one of
ImageNet, to ``napari-kidney-seg train rcnn-vnet kidney --preset paper --trunk FILE``. The presets ``compact`` and
``smoke`` have a narrower trunk with group normalization, which trains without.

References
----------
.. [1] Kamkova, Qadir, Elle and Kumar, "Kidney and tumor segmentation using combined Deep learning method", KiTS19.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_kidney_seg.core.geometry import Geometry, Shape
from napari_kidney_seg.core.grid import FittedGrid, WorkingGrid
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Method, Paper, Stage, StageOutput
from napari_kidney_seg.core.recipe import Recipe
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.inference.detected_regions import AroundDetectedKidneys
from napari_kidney_seg.inference.fusion import Labeling, mask_of
from napari_kidney_seg.inference.region_fusion import one_organ_per_region
from napari_kidney_seg.inference.regions import WholeScan
from napari_kidney_seg.training.augmentation import Flip, ScaleShift, Zoom
from napari_kidney_seg.training.kidney_crops import KidneyCrops
from napari_kidney_seg.training.kidney_slices import KidneySlices, rectangle_target
from napari_kidney_seg.training.targets import kits19_classes

if TYPE_CHECKING:
    from pathlib import Path

    import torch

# -- constants ---------------------------------------------------------------------------------------------------------

INTENSITY = (Window(low=-60, high=300, to_low=0, to_high=1),)  # HU; section 3.1
PIXELS = 512  # section 3.2
PROPOSALS = 300  # caption of figure 3
FIELDS_OF_VIEW = Zoom(factors=(0.65, 1.1))  # of the compact detector's training slices; our choice
INTENSITIES = ScaleShift(scale=0.15, shift=0.15)  # of the compact preset's training windows; our choice
EMPTY_SHARE = 0.25  # of the compact detector's training slices, without a kidney; our choice
BOX = (32, 64, 64)  # (z, y, x); section 3.4 gives it as x, y, z
IDS = (0, KITS["kidney"].id, KITS["tumor"].id)  # of the classes of stage segmentation


# -- networks ----------------------------------------------------------------------------------------------------------


def slice_detector(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.faster_rcnn.SliceDetector` of the given sizes."""
    from napari_kidney_seg.networks.faster_rcnn import SliceDetector

    return SliceDetector(**sizes)


def vnet(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.vnet.VNet` of the given sizes."""
    from napari_kidney_seg.networks.vnet import VNet

    return VNet(**sizes)


def trunk_weights(path: Path, own: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the trunk of the detector, whose parameters are `own`, from a COCO or ImageNet file (section 3.2)."""
    from napari_kidney_seg.networks.resnet_trunk import read_trunk

    return read_trunk(path, own)


# -- losses ------------------------------------------------------------------------------------------------------------


def detection_loss(network: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the detector's own loss: smooth L1 and cross-entropy, of its proposals and of its boxes."""
    from napari_kidney_seg.training.losses import detection

    return detection.detection_loss(network, images, targets)


def dice_loss() -> Callable[..., torch.Tensor]:
    """Return Dice averaged over the classes of each sample."""
    from napari_kidney_seg.training.losses.dice import present_dice

    return present_dice


# -- recipes -----------------------------------------------------------------------------------------------------------

# The paper names neither optimizer nor length; these are of the TensorFlow sample configuration for this detector:
# 200 000 steps of one slice are 14 rounds through the 16 336 kidney slices of KiTS19 less those for validation.
DETECTION_RECIPE = Recipe(
    sampler=KidneySlices(),
    target=rectangle_target,
    loss=dice_loss,  # of mixed windows, of which there are none: the network computes its own
    joint_loss=detection_loss,
    pretrained=trunk_weights,
    augmentation=(Flip(axes=(2,)),),
    optimizer="sgd",
    learning_rate=3e-4,
    momentum=0.9,
    gradient_norm=10.0,
    batch=1,
    epochs=14,
)
SEGMENTATION_RECIPE = Recipe(
    sampler=KidneyCrops(),
    target=kits19_classes,
    loss=dice_loss,
    optimizer="adam",
    learning_rate=1e-4,
    batch=4,
    epochs=200,
)


# -- stages ------------------------------------------------------------------------------------------------------------

KIDNEY = Stage(
    name="kidney",
    title="Faster R-CNN: finds the kidneys slice by slice",
    classes=("background", "kidney"),
    network=slice_detector,
    network_args={
        "classes": 2,
        "width": 64,
        "blocks": (3, 4, 6, 3),
        "norm": "frozen",
        "input_size": PIXELS,
        "proposals": PROPOSALS,
    },
    region=WholeScan(),
    grid=FittedGrid(pixels=(PIXELS, PIXELS)),
    intensity=INTENSITY,
    window=(1, PIXELS, PIXELS),
    overlap=(0.0, 0.0, 0.0),
    blending="constant",
    recipe=DETECTION_RECIPE,
)

SEGMENTATION = Stage(
    name="segmentation",
    title="V-Net: outlines each kidney and its tumor",
    classes=("background", "kidney", "tumor"),
    network=vnet,
    network_args={"classes": 3, "widths": (16, 32, 64, 128, 256), "norm": "batch"},
    requires=("kidney",),
    region=AroundDetectedKidneys(sources=("kidney",)),
    grid=WorkingGrid(shape=BOX),
    intensity=INTENSITY,
    window=BOX,
    blending="constant",
    recipe=SEGMENTATION_RECIPE,
)


# -- fusion ------------------------------------------------------------------------------------------------------------


def fuse(outputs: Mapping[str, StageOutput], geometry: Geometry) -> Labeling:
    """Return KiTS labels: the largest component of each box; kidneys that a person drew stay as they were drawn."""
    labels = yield from one_organ_per_region(outputs["segmentation"], geometry, IDS)
    organ = outputs.get("kidney")
    if organ is None or not organ.given:
        return labels
    is_drawn = yield from mask_of(organ, geometry)
    return np.where(is_drawn, np.maximum(labels, KITS["kidney"].id), 0).astype(np.uint8)


# -- presets -----------------------------------------------------------------------------------------------------------


def _paper(method: Method) -> Method:
    return method


def _sliding(method: Method) -> Method:
    """Return the method with windows of the scan's own voxels in each box, as section 1 promises, not one resized box.

    Section 3.4 of the paper says the contrary, which is the default.
    """
    kidney, segmentation = method.stages
    recipe = replace(SEGMENTATION_RECIPE, sampler=KidneyCrops(is_resized=False))
    return replace(method, stages=(kidney, replace(segmentation, grid=WorkingGrid(), recipe=recipe)))


def _original(method: Method) -> Method:
    """Return the paper's sizes with V-Net as its authors released it: no normalization, SGD with momentum 0.99."""
    kidney, segmentation = method.stages
    args = {**segmentation.network_args, "norm": None}
    sgd = {"optimizer": "sgd", "momentum": 0.99, "weight_decay": 5e-4, "schedule": "step", "batch": 2}
    recipe = replace(segmentation.recipe, **sgd)  # type: ignore[arg-type]
    return replace(method, stages=(kidney, replace(segmentation, network_args=args, recipe=recipe)))


def _resized(method: Method, detector: dict[str, Any], slices: int, widths: tuple[int, ...], box: Shape) -> Method:
    """Return narrower networks; the detector sees `slices` slices at once, which changes nothing but the speed."""
    kidney, segmentation = method.stages
    pixels = detector["input_size"]
    return replace(
        method,
        stages=(
            replace(
                kidney,
                network_args={"classes": 2, "norm": "group", **detector},
                grid=FittedGrid(pixels=(pixels, pixels)),
                window=(slices, pixels, pixels),
            ),
            replace(
                segmentation,
                network_args={**segmentation.network_args, "widths": widths},
                grid=WorkingGrid(shape=box),
                window=box,
            ),
        ),
    )


def _retimed(method: Method, learning_rate: float, epochs: int, most_slices: int) -> Method:
    """Return recipes for few steps from random weights: a higher rate that falls, `most_slices` windows per case."""
    kidney, segmentation = method.stages
    changes: dict[str, Any] = {"optimizer": "adam", "schedule": "cosine", "batch": 2}
    changes |= {"learning_rate": learning_rate, "epochs": epochs}
    detection = replace(kidney.recipe, sampler=KidneySlices(most=most_slices), **changes)
    stages = (
        replace(kidney, recipe=detection),
        replace(segmentation, recipe=replace(segmentation.recipe, **changes)),
    )
    return replace(method, stages=stages)


def _compact(method: Method) -> Method:
    """Return slices of 256 pixels through a trunk a quarter as wide and less deep, and V-Net at half to an eighth.

    The bundled weights learn from rendered scans alone. So that they find their way in real ones, intensities vary, the
    detector sees more fields of view and also slices without a kidney, and V-Net boxes half as large again as one.
    """
    detector = {"width": 16, "blocks": (2, 2, 2, 2), "input_size": 256, "proposals": 48}
    sized = _resized(method, detector, 8, (8, 16, 20, 24, 32), BOX)
    kidney, segmentation = _retimed(sized, 1e-3, 40, most_slices=2).stages
    slices: Any = replace(kidney.recipe.sampler, empty_share=EMPTY_SHARE)  # type: ignore[type-var]
    crops: Any = replace(segmentation.recipe.sampler, shift=0.15, scale=(0.8, 1.5))  # type: ignore[type-var]
    return replace(method, stages=(_varied(kidney, slices, FIELDS_OF_VIEW), _varied(segmentation, crops)))


def _varied(stage: Stage, sampler: Any, *more: Any) -> Stage:
    """Return the stage with windows of `sampler`, augmented by intensities and `more`: what rendered scans lack."""
    augmentation = (*stage.recipe.augmentation, *more, INTENSITIES)
    return replace(stage, recipe=replace(stage.recipe, sampler=sampler, augmentation=augmentation))


def _smoke(method: Method) -> Method:
    """Return sizes for tests: seconds on a processor."""
    detector = {"width": 8, "blocks": (1, 1, 1, 1), "input_size": 128, "proposals": 32}
    return _retimed(_resized(method, detector, 4, (2, 4, 4, 4, 4), (16, 32, 32)), 3e-3, 60, most_slices=4)


METHOD = Method(
    name="rcnn-vnet",
    title="Faster R-CNN and V-Net",
    idea=(
        "A detector draws a rectangle around each kidney on every slice; the rectangles are stacked to one box per "
        "kidney, and a V-Net outlines the kidney and its tumor in each box."
    ),
    paper=Paper(
        authors="Yuliia Kamkova, Hemin Ali Qadir, Ole Jakob Elle, Rahul Prasanna Kumar",
        title="Kidney and tumor segmentation using combined Deep learning method",
        venue="2019 Kidney Tumor Segmentation Challenge, MICCAI 2019",
        url="https://kits19.grand-challenge.org/",
        challenge="KiTS19",
    ),
    classes=("kidney", "tumor"),
    stages=(KIDNEY, SEGMENTATION),
    fuse=fuse,
    fuses=("segmentation",),
    presets={"paper": _paper, "sliding": _sliding, "original": _original, "compact": _compact, "smoke": _smoke},
)
