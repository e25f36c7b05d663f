"""Kidney-Net and Masses-Net (KiTS21), a two-stage cascade.

A 3D U-Net marks the kidneys with their masses on windows of the scan that are wide in-plane and thin along z. One box
around the two largest components is the volume of interest; in it a residual U-Net, whose blocks read in 3D and
in-plane side by side and weigh the result by attention, marks tumor and cyst. Both answers are united; the two largest
components are kept.

======  ======================  ==============  =======================
stage   sees                    window          answers
======  ======================  ==============  =======================
kidney  the whole scan          16 x 256 x 256  background, kidney
masses  box around the kidneys  64 x 96 x 96    background, tumor, cyst
======  ======================  ==============  =======================

What the paper leaves open, and its ablations, are the fields of `Choices`; ``masses_net(Choices(mdf=False))`` is the
method without MDF modules.

References
----------
.. [1] Lin, Fu and Zheng, "Kidney and kidney tumor segmentation using a two-stage cascade framework", KiTS21.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.geometry import Shape, Spacing
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.method import IntensityStep, Method, Paper, Stage
from napari_kidney_seg.core.recipe import Recipe
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.imaging.intensity import GaussianSmooth, Window
from napari_kidney_seg.imaging.standardizing import ZScore
from napari_kidney_seg.inference.least_region import AtLeast
from napari_kidney_seg.inference.regions import AroundForeground, WholeScan
from napari_kidney_seg.inference.union import UnionFusion
from napari_kidney_seg.training.class_lookup import ClassOfLabel
from napari_kidney_seg.training.grid_sampling import GridWindows

if TYPE_CHECKING:
    import torch

# -- constants ---------------------------------------------------------------------------------------------------------

WINDOW_HU = (-100.0, 400.0)  # section 3.2
SIGMA_MM = 1.0  # of the Gaussian before it; the paper gives none
MARGIN_MM = 10.0  # of the volume of interest; our choice
KIDNEYS = KeepLargest(count=2, min_ml=10.0)  # section 3.2; the floor is ours, 10 ml separate noise from kidney
ALPHA = 0.5  # share of Dice in the loss of the masses; section 2.3
# Square root of inverse frequency in the kidney boxes of 300 KiTS23 cases, at most 10; of four, kidney counts like the
# background. A training measures those of its own cases.
CLASS_WEIGHTS = {3: (1.0, 5.0, 10.0), 4: (1.0, 1.0, 5.0, 10.0)}
KIDNEY_WINDOW, MASSES_WINDOW = (16, 256, 256), (64, 96, 96)  # voxels; section 3.2 in (z, y, x)
KIDNEY_WIDTHS, MASSES_WIDTHS = (32, 64, 128, 256), (32, 64, 128, 256, 512)  # our choice
EXCLUDED_IDS = (52, 60, 65, 66, 91, 111, 115, 135, 140, 150)  # of KiTS21, by the authors; section 3.1
KIDNEY_TARGET, MASSES_TARGET, ALL_CLASSES_TARGET = (0, 1, 1, 1), (0, 0, 1, 2), (0, 1, 2, 3)  # class by label id


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the paper leaves open, with our default, and the ablations it reports.

    Attributes
    ----------
    n_classes : 3 or 4
        Of the masses stage: background, tumor, cyst, or these with the kidney after the background. The preset
        ``compact`` takes 4 unless `class_weights` are given.
    spacing : (sz, sy, sx) mm that the scan is brought to, or None
        None works on the scan's own grid.
    sigma_mm : float
        Of the Gaussian filter.
    restrict_to_kidney : bool
        Whether masses outside the kidneys that the first stage found are dropped.
    class_weights : one weight per class of the masses stage, or None
        None measures them on the training cases (`training.class_weights`).
    mdf, deep_supervision : bool
        False leaves the part out, as in the paper's table of ablations.
    """

    n_classes: int = 3
    spacing: Spacing | None = None
    sigma_mm: float = SIGMA_MM
    restrict_to_kidney: bool = False
    class_weights: tuple[float, ...] | None = None
    mdf: bool = True
    deep_supervision: bool = True

    def __post_init__(self) -> None:
        weights = self.class_weights
        if self.n_classes not in CLASS_WEIGHTS or (weights is not None and len(weights) != self.n_classes):
            raise KidneySegError(
                f"Found n_classes={self.n_classes!r} with class_weights={weights!r}; needed 3 or 4 classes and one "
                "weight for each, or None to measure them. Change one of them."
            )

    @property
    def intensity(self) -> tuple[IntensityStep, ...]:
        """The steps of both stages: filter, clip, z-score over the whole scan (section 3.2)."""
        low, high = WINDOW_HU
        return (GaussianSmooth(sigma_mm=self.sigma_mm), Window(low=low, high=high, to_low=low, to_high=high), ZScore())

    @property
    def grid(self) -> WorkingGrid:
        """The working grid of both stages."""
        return WorkingGrid(spacing=self.spacing or (None, None, None))


# -- networks ----------------------------------------------------------------------------------------------------------


def kidney_net(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.kidney_net.KidneyNet` of the given sizes."""
    from napari_kidney_seg.networks.kidney_net import KidneyNet

    return KidneyNet(**sizes)


def masses_network(**sizes: Any) -> torch.nn.Module:
    """Return a `networks.masses_net.MassesNet` of the given sizes."""
    from napari_kidney_seg.networks.masses_net import MassesNet

    return MassesNet(**sizes)


# -- losses ------------------------------------------------------------------------------------------------------------


def kidney_loss() -> Callable[..., torch.Tensor]:
    """Return Dice averaged over kidney and background (equation 1, corrected)."""
    from napari_kidney_seg.training.losses.dice import per_class_dice

    return per_class_dice


def masses_loss(class_weights: tuple[float, ...]) -> Callable[..., torch.Tensor]:
    """Return Dice plus weighted cross-entropy over all supervised answers (equations 4 to 7, corrected)."""
    from napari_kidney_seg.training.losses.dice_weighted_cross_entropy import DiceWeightedCrossEntropy

    return DiceWeightedCrossEntropy(class_weights=class_weights, alpha=ALPHA)


# -- recipes and stages (sections 3.2 and 3.3) -------------------------------------------------------------------------

KIDNEY_RECIPE = Recipe(
    sampler=GridWindows(),
    target=ClassOfLabel(KIDNEY_TARGET),
    loss=kidney_loss,
    optimizer="adam",
    learning_rate=1e-4,
    schedule="constant",
    batch=2,
    epochs=50,
    excluded_cases=tuple(f"case_{number:05d}" for number in EXCLUDED_IDS),
)


def kidney_stage(choices: Choices) -> Stage:
    """Return the stage that marks the kidneys with their masses."""
    return Stage(
        name="kidney",
        title="Kidney-Net: marks the kidneys with their masses",
        classes=("background", "kidney"),
        network=kidney_net,
        network_args={"classes": 2, "widths": KIDNEY_WIDTHS},
        region=WholeScan(),
        grid=choices.grid,
        intensity=choices.intensity,
        window=KIDNEY_WINDOW,
        blending="constant",
        cleaning=KIDNEYS,
        recipe=KIDNEY_RECIPE,
    )


def masses_stage(choices: Choices) -> Stage:
    """Return the stage that marks tumor and cyst in the box around the kidneys."""
    stage = replace(
        kidney_stage(choices),
        name="masses",
        title="Masses-Net: marks tumor and cyst",
        network=masses_network,
        network_args={"widths": MASSES_WIDTHS, "mdf": choices.mdf, "deep_supervision": choices.deep_supervision},
        requires=("kidney",),
        region=volume_of_interest(MASSES_WINDOW, choices.grid),
        window=MASSES_WINDOW,
        cleaning=None,
    )
    return _answering(stage, choices.n_classes, choices.class_weights)


def _answering(stage: Stage, n_classes: int, class_weights: tuple[float, ...] | None = None) -> Stage:
    """Return the masses stage that tells 3 or 4 classes apart."""
    has_kidney = n_classes == len(ALL_CLASSES_TARGET)
    recipe = replace(
        stage.recipe,
        sampler=GridWindows(target=ClassOfLabel(MASSES_TARGET)),
        target=ClassOfLabel(ALL_CLASSES_TARGET if has_kidney else MASSES_TARGET),
        loss=partial(masses_loss, class_weights or CLASS_WEIGHTS[n_classes]),
        weighted_loss=masses_loss if class_weights is None else None,
    )
    classes = ("background", "kidney", "tumor", "cyst") if has_kidney else ("background", "tumor", "cyst")
    return replace(stage, classes=classes, network_args={**stage.network_args, "classes": n_classes}, recipe=recipe)


def volume_of_interest(window: Shape, grid: WorkingGrid) -> AtLeast:
    """Return the rule of the masses stage: one box around the kidneys with its margin, at least a `window` large."""
    around = AroundForeground(sources=("kidney",), margin_mm=MARGIN_MM)
    return AtLeast(region=around, size=window, grid=grid)


# -- presets -----------------------------------------------------------------------------------------------------------


def _resized(stage: Stage, widths: tuple[int, ...], spacing: Spacing, window: Shape) -> Stage:
    grid = WorkingGrid(spacing=spacing)
    return replace(
        stage,
        network_args={**stage.network_args, "widths": widths},
        grid=grid,
        window=window,
        region=volume_of_interest(window, grid) if stage.requires else stage.region,
    )


def _shortened(method: Method, stages: tuple[Stage, ...], learning_rate: float) -> Method:
    """Return the method with `stages` that are trained for a small share of the paper's steps.

    The learning rate must then be higher, and fall to 0 in the end: while it is high, the running mean and variance of
    the batch norms lag behind the weights, and a network that fits its training windows fails when it is used.
    """
    shorter = (
        replace(
            stage.recipe,
            sampler=replace(stage.recipe.sampler, per_case=2),  # type: ignore[type-var]
            learning_rate=learning_rate,
            schedule="cosine",
            excluded_cases=(),
        )
        for stage in stages
    )
    return replace(method, stages=tuple(replace(s, recipe=r) for s, r in zip(stages, shorter, strict=True)))


def _compact(method: Method) -> Method:
    """Return coarser working grids and narrower networks; the second answers for the kidney too.

    With a small share of the paper's steps the few voxels of masses alone taught it next to nothing.
    """
    kidney, masses = method.stages
    if masses.recipe.weighted_loss is not None:  # weights that a person gave belong to their number of classes
        masses = _answering(masses, n_classes=4)
    stages = (
        _resized(kidney, (12, 24, 48, 96), (4.0, 2.5, 2.5), (16, 96, 96)),
        _resized(masses, (16, 32, 64, 128, 256), (2.5, 2.0, 2.0), (32, 48, 48)),
    )
    return _shortened(method, stages, learning_rate=2e-3)


def _smoke(method: Method) -> Method:
    """Return sizes for tests: seconds on a processor."""
    kidney, masses = method.stages
    spacing = (6.0, 4.0, 4.0)
    stages = (
        _resized(kidney, (4, 8, 16, 32), spacing, (16, 32, 32)),
        _resized(masses, (8, 8, 16, 16, 32), spacing, (16, 32, 32)),
    )
    return _shortened(method, stages, learning_rate=1e-2)


# -- method ------------------------------------------------------------------------------------------------------------


def masses_net(choices: Choices) -> Method:
    """Return the method with the given choices."""
    return Method(
        name="masses-net",
        title="Kidney-Net and Masses-Net",
        idea=(
            "A 3D U-Net marks the kidneys in thin, wide blocks of slices; in the box around them a second network, "
            "which looks in 3D and in-plane at once and weighs what matters, marks tumor and cyst."
        ),
        paper=Paper(
            authors="Chaonan Lin, Rongda Fu, Shaohua Zheng",
            title="Kidney and kidney tumor segmentation using a two-stage cascade framework",
            venue="KiTS 2021, Lecture Notes in Computer Science 13168, Springer 2022",
            url="https://doi.org/10.1007/978-3-030-98385-7",
            challenge="KiTS21",
        ),
        stages=(kidney_stage(choices), masses_stage(choices)),
        fuse=UnionFusion(keep=KIDNEYS, restrict_to_kidney=choices.restrict_to_kidney),
        fuses=("kidney", "masses"),
        presets={"paper": lambda method: method, "compact": _compact, "smoke": _smoke},
    )


METHOD = masses_net(Choices())
