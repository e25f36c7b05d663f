"""Coarse-to-fine 2.5D ResUNet (KiTS23), the default method.

A 3D residual U-Net sees the whole scan squeezed into a small cube and finds the kidneys. One box around both is resized
in-plane, its slices are left as they are, and two 2.5D residual U-Nets, which never down-sample along z, read it in
blocks of slices: one tells kidney from the rest, one tells kidney, cyst and tumor apart inside the kidney. Predictions
for a block and its z-mirror are averaged; small components are removed. In the preset ``compact`` the lesion stage also
sees the kidney stage's answer.

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
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_kidney_seg.core.errors import KidneySegError, check_choice
from napari_kidney_seg.core.geometry import Shape
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.guide import Guide
from napari_kidney_seg.core.method import Cleaning, Method, Paper, Stage
from napari_kidney_seg.core.recipe import IGNORE, Recipe
from napari_kidney_seg.imaging.components import KeepLargerByGrid, KeepLargerThan, KeepLargerThanMl, KeepLargest
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.inference.masked_fusion import MaskedFusion
from napari_kidney_seg.inference.reach import Reach
from napari_kidney_seg.inference.regions import AroundEachComponent, AroundForeground, WholeScan
from napari_kidney_seg.training.augmentation import BrightnessContrastGamma, Elastic, Flip, MissedMasses
from napari_kidney_seg.training.class_lookup import ClassOfLabel
from napari_kidney_seg.training.sampling import RandomBox, RegionSlab

if TYPE_CHECKING:
    import torch

# -- constants ---------------------------------------------------------------------------------------------------------

INTENSITY = (Window(low=-200, high=400, to_low=-1, to_high=1),)  # HU; section 2.1
MARGIN_MM = 20.0  # around the coarse kidneys; our choice, gives 0.60 x 0.70 mm pixels for the median KiTS23 case
COARSE_MIN_ML = 1.0  # smaller coarse components are noise; our choice
VOXELS, VOXELS_ML = 10_000, 22.0  # section 2.3, on the foreground as a whole; at the median KiTS23 voxel of 2.2 mm3
KITS_VOXELS_ML = (1.8, 54.0)  # what they are across the spacings of KiTS23
REACH_MM = 18.0  # of the fine stages beyond the coarse kidneys, which can miss the outer part of a mass; our choice
ROWS, COLUMNS = 224, 384  # of the fine stages; table 3
COMPACT_WINDOWS = (24, 80, 136), (16, 64, 64)  # of the fine stages; lesions are looked for in one kidney at a time
MAX_PIXEL_MM = 1.2  # after resizing to these; beyond it each kidney gets a box of its own; our choice
WIDE_SHARE = 0.15  # of training windows, cut as if the coarse stage had raised a false alarm; our choice
LESION_SHARE = 0.6  # of the lesion network's training windows, chosen to hold one; our choice
KIDNEY_TARGET = ClassOfLabel((0, 1, 1, 1))  # class by label id: the kidney with the masses in it
GUIDE_TARGET = ClassOfLabel((0, 1, 1, 1), missed=(0, 0, 0, 0), found=(1, 1, 1, 1))  # the kidney stage's answer
CUBE, FLAT = (3, 3, 3), (1, 3, 3)  # kernels
# Names, class by label id, weights (our choice). Without background it is asked in kidneys and what was found alone.
LESION_CLASSES = MappingProxyType(
    {
        3: (("kidney", "cyst", "tumor"), ClassOfLabel((IGNORE, 0, 2, 1), found=(0, 0, 2, 1)), (1.0, 2.0, 2.0)),
        4: (("background", "kidney", "cyst", "tumor"), ClassOfLabel((0, 1, 3, 2)), (1.0, 1.0, 2.0, 2.0)),
    }
)
OVERLOOKED = MissedMasses(probability=0.5, depth_voxels=(0, 8))  # by the kidney stage, in training; our choice
COMPLETING = 4  # lesion classes that let the lesion stage add masses to the outline
LESION_INPUTS = IMAGE, GUIDED = "image", "image+kidney_prob"
COMPONENT_RULES: Mapping[str, Cleaning] = MappingProxyType(
    {
        "by grid": KeepLargerByGrid(voxels=VOXELS, ml=VOXELS_ML, usual_ml=KITS_VOXELS_ML),
        "voxels": KeepLargerThan(voxels=VOXELS),
        "ml": KeepLargerThanMl(ml=VOXELS_ML),
    }
)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the paper leaves open, with our default.

    Attributes
    ----------
    lesion_input : ``"image"`` or ``"image+kidney_prob"``
        What the lesion network sees: the CT, or also the probability of the kidney stage, as in ``compact`` always.
    lesion_classes : 3 or 4
        Kidney, cyst and tumor, learned inside the kidneys (and as kidney where the kidney stage is known to err); or
        these after a background, learned everywhere: masses that the kidney stage overlooked are then added.
    ohem_topk : float, 0..1
        Share of a window's voxels, the hardest, that count in the cross-entropy: 1 for all, 0.3 to mine them.
    mixup_alpha : float
        Of Beta(alpha, alpha); 0 switches mixup off.
    min_component : ``"by grid"``, ``"voxels"`` or ``"ml"``
        Foreground components of at most 10 000 voxels (the paper's rule) or 22 ml go; by grid takes the voxels where
        they are as large as in KiTS23, else the milliliters.
    reach_mm : float or None
        Farther from the coarse kidneys the fine stages are not believed; None believes them in their whole box.
    """

    lesion_input: str = IMAGE
    lesion_classes: int = 3
    ohem_topk: float = 1.0
    mixup_alpha: float = 0.2
    min_component: str = "by grid"
    reach_mm: float | None = REACH_MM

    def __post_init__(self) -> None:
        check_choice("lesion_input", self.lesion_input, LESION_INPUTS)
        check_choice("lesion_classes", self.lesion_classes, LESION_CLASSES)
        check_choice("min_component", self.min_component, COMPONENT_RULES)
        if not 0 < self.ohem_topk <= 1:
            raise KidneySegError(f"Found ohem_topk={self.ohem_topk!r}; needed a share above 0, at most 1. Change it.")


# -- networks and losses -----------------------------------------------------------------------------------------------


def residual_unet(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.residual_unet.ResidualUNet` of the given sizes."""
    from napari_kidney_seg.networks.residual_unet import ResidualUNet

    return ResidualUNet(**sizes)


COARSE_NET = {"classes": 2, "widths": (16, 32, 64, 128, 256), "kernels": (CUBE,) * 5, "strides": ((2, 2, 2),) * 4}
FINE_NET = COARSE_NET | {"widths": (32, 64, 128, 256), "kernels": (FLAT, FLAT, CUBE, CUBE), "strides": ((1, 2, 2),) * 3}


def dice_cross_entropy(class_weights: tuple[float, ...], hardest_share: float) -> Callable[..., torch.Tensor]:
    """Return Dice plus cross-entropy with equal weights, over the voxels that are asked for."""
    from napari_kidney_seg.training.losses.dice_cross_entropy import MaskedDiceCrossEntropy

    return MaskedDiceCrossEntropy(class_weights=class_weights, hardest_share=hardest_share)


# -- recipes and stages (tables 2 and 3, section 3.2) ------------------------------------------------------------------

DISTORTIONS = (
    Elastic(probability=0.5, sigma=(3, 5), magnitude=(100, 200)),
    BrightnessContrastGamma(),
    BrightnessContrastGamma(within=(2, 3)),
)
# With a small share of the paper's steps: half its displacements in voxels, which are larger here (1.4 to 2 times its
# millimeters), and masses that mostly keep the attenuation that tells a cyst from a tumor.
MILD_DISTORTIONS = (
    Elastic(probability=0.5, sigma=(3, 5), magnitude=(50, 100)),
    BrightnessContrastGamma(probability=0.3),
    BrightnessContrastGamma(probability=0.1, within=(2, 3)),
    Flip(axes=(0,)),
)


def coarse_stage(choices: Choices) -> Stage:
    """Return the stage that finds the kidneys."""
    recipe = Recipe(
        sampler=RandomBox(),
        target=KIDNEY_TARGET,
        loss=partial(dice_cross_entropy, (1.0, 1.0), choices.ohem_topk),
        augmentation=DISTORTIONS,
        optimizer="adamw",
        learning_rate=1e-4,
        weight_decay=1e-4,
        schedule="cosine",
        batch=4,
        epochs=300,
        mixup_alpha=choices.mixup_alpha,
        hard_fraction=0.2,
    )
    return Stage(
        name="coarse",
        title="Coarse ResUNet: finds the kidneys",
        classes=("background", "kidney"),
        network=residual_unet,
        network_args=COARSE_NET,
        region=WholeScan(),
        grid=WorkingGrid(shape=(128, 128, 128)),
        intensity=INTENSITY,
        window=(128, 128, 128),
        cleaning=KeepLargest(count=2, min_ml=COARSE_MIN_ML),
        recipe=recipe,
    )


def kidney_stage(choices: Choices) -> Stage:
    """Return the stage that outlines the kidneys with their masses."""
    coarse, grid = coarse_stage(choices), WorkingGrid(shape=(None, ROWS, COLUMNS))
    recipe = replace(
        coarse.recipe,
        sampler=RegionSlab(margin_mm=MARGIN_MM, wide_share=WIDE_SHARE),
        augmentation=(*DISTORTIONS, Flip(axes=(0,))),
        epochs=600,
    )
    return replace(
        coarse,
        name="kidney",
        title="Kidney ResUNet: outlines the kidneys with their masses",
        network_args=FINE_NET,
        requires=("coarse",),
        region=AroundForeground(sources=("coarse",), margin_mm=MARGIN_MM, grid=grid, max_spacing_mm=MAX_PIXEL_MM),
        grid=grid,
        window=(48, ROWS, COLUMNS),
        mirrors=((0,),),
        cleaning=None,
        recipe=recipe,
    )


def lesion_stage(choices: Choices) -> Stage:
    """Return the stage that tells cyst and tumor from kidney."""
    kidney, (names, target, weights) = kidney_stage(choices), LESION_CLASSES[choices.lesion_classes]
    recipe = replace(
        kidney.recipe,
        sampler=RegionSlab(margin_mm=MARGIN_MM, wide_share=WIDE_SHARE, lesion_share=LESION_SHARE),
        target=target,
        loss=partial(dice_cross_entropy, weights, choices.ohem_topk),
    )
    errors = OVERLOOKED if choices.lesion_classes == COMPLETING else None  # else it is asked inside the kidneys alone
    guides = (Guide(source="kidney", target=GUIDE_TARGET, errors=errors),) if choices.lesion_input == GUIDED else ()
    return replace(
        kidney,
        name="lesion",
        title="Lesion ResUNet: tells cyst and tumor from kidney",
        classes=names,
        network_args=FINE_NET | {"classes": len(names)} | ({"channels": 1 + len(guides)} if guides else {}),
        requires=("kidney",),
        guides=guides,
        # The coarse box where there is one, as in the paper; around the kidneys alone when a person gave them.
        region=replace(kidney.region, sources=("coarse", "kidney")),  # type: ignore[type-var]
        recipe=recipe,
    )


# -- presets -----------------------------------------------------------------------------------------------------------


def _resized(
    stage: Stage, widths: tuple[int, ...], window: Shape, learning_rate: float, slice_mm: float | None = None
) -> Stage:
    """Return the stage in other sizes. With a small share of the paper's steps the learning rate must be higher."""
    region, grid = stage.region, WorkingGrid(shape=window)
    if isinstance(region, AroundForeground):
        grid = WorkingGrid(shape=(None, *window[1:]), spacing=(slice_mm, None, None))
        region = replace(region, grid=grid, max_spacing_mm=MAX_PIXEL_MM * ROWS / window[1])
    args = {**stage.network_args, "widths": widths}
    recipe = replace(stage.recipe, batch=2, learning_rate=learning_rate)
    return replace(stage, network_args=args, grid=grid, window=window, region=region, recipe=recipe)


def _compact(choices: Choices, method: Method) -> Method:
    """Return a third of the in-plane resolution, 3 mm slices, narrower networks, a guide; lesions kidney by kidney."""
    coarse, kidney, _ = method.stages
    lesion = lesion_stage(replace(choices, lesion_input=GUIDED))
    fine = (replace(s, recipe=replace(s.recipe, augmentation=MILD_DISTORTIONS)) for s in (kidney, lesion))
    second, third = (_resized(s, (16, 32, 64, 96), w, 1.5e-3, 3.0) for s, w in zip(fine, COMPACT_WINDOWS, strict=True))
    sampler: Any = replace(third.recipe.sampler, one_kidney=1.0)  # type: ignore[type-var]
    each_kidney = AroundEachComponent(sources=lesion.region.sources, margin_mm=MARGIN_MM)  # type: ignore[attr-defined]
    third = replace(third, region=each_kidney, recipe=replace(third.recipe, sampler=sampler))
    return replace(method, stages=(_resized(coarse, (8, 16, 32, 64, 80), (64, 80, 80), 1.5e-3), second, third))


def _smoke(method: Method) -> Method:
    """Return sizes for tests: seconds on a processor."""
    coarse, *fine = (replace(stage, recipe=replace(stage.recipe, epochs=100)) for stage in method.stages)
    first = _resized(coarse, (4, 8, 16, 32, 64), (32, 32, 32), 3e-3)
    return replace(method, stages=(first, *(_resized(s, (4, 8, 16, 32), (16, 48, 80), 3e-3, 5.0) for s in fine)))


# -- method ------------------------------------------------------------------------------------------------------------


def resunet_2p5d(choices: Choices) -> Method:
    """Return the method with the given choices."""
    reach = None if choices.reach_mm is None else Reach(source="coarse", mm=choices.reach_mm)
    return Method(
        name="resunet-2.5d",
        title="Coarse-to-fine 2.5D ResUNet",
        idea=(
            "A small 3D network finds the kidneys in the whole scan; two networks that look slice by slice, with a "
            "little context along z, then outline the kidneys and tell cyst and tumor from kidney."
        ),
        paper=Paper(
            authors="Cancan Chen, Rongguo Zhang",
            title="An Ensemble of 2.5D ResUnet Based Models for Segmentation of Kidney and Masses",
            venue="KiTS 2023, Lecture Notes in Computer Science 14540, Springer 2024",
            url="https://doi.org/10.1007/978-3-031-54806-2",
            challenge="KiTS23",
        ),
        stages=(coarse_stage(choices), kidney_stage(choices), lesion_stage(choices)),
        fuse=MaskedFusion(keep=COMPONENT_RULES[choices.min_component], reach=reach),
        fuses=("kidney", "lesion"),
        presets={"paper": lambda method: method, "compact": partial(_compact, choices), "smoke": _smoke},
    )


METHOD = resunet_2p5d(Choices())
