"""The KiTS scores of one case: Dice and surface Dice of nested classes, with the official rule for empty masks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import Box, Geometry, Spacing
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.imaging.cropping import crop_pad, foreground_box

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class EvaluationClass:
    """A hierarchical evaluation class (HEC): a union of labels that is scored as one structure.

    Attributes
    ----------
    name : str
        As in the official column names.
    labels : tuple of int
        Ids that belong to it.
    tolerance_mm : float
        Distance below which two surfaces agree.
    """

    name: str
    labels: tuple[int, ...]
    tolerance_mm: float


# Labels and tolerances of kits23 `configuration/labels.py` (2023). Kits21 once used 2.178, 1.393 and 1.536 mm:
# surface Dice published with those is not comparable.
EVALUATION_CLASSES = (
    EvaluationClass(name="kidney", labels=(1, 2, 3), tolerance_mm=1.0330772532390826),
    EvaluationClass(name="masses", labels=(2, 3), tolerance_mm=1.1328796488598762),
    EvaluationClass(name="tumor", labels=(2,), tolerance_mm=1.1498198361434828),
)


@dataclass(frozen=True, kw_only=True)
class CaseScores:
    """The scores of one case, or their mean over cases.

    Attributes
    ----------
    name : str
        The case.
    dice, surface_dice : mapping of evaluation class name to score, 0..1
    absent : tuple of str
        Evaluation classes that the reference does not have: their scores are 1 where none was found, else 0.
    """

    name: str
    dice: Mapping[str, float]
    surface_dice: Mapping[str, float]
    absent: tuple[str, ...] = ()

    @property
    def kits19_composite(self) -> float:
        """Return the ranking score of KiTS19: the mean of the Dice of the organ with its masses and of the tumor.

        Notes
        -----
        KiTS19 has no cyst: a cyst counts as kidney. An empty tumor follows the rule of KiTS23, where the script of
        KiTS19 divides by zero.
        """
        return (self.dice["kidney"] + self.dice["tumor"]) / 2


def dice(prediction: Mask, reference: Mask) -> float:
    """Return twice the common voxels over the sum of both masks (Z, Y, X); 1 when both are empty."""
    size = np.count_nonzero(prediction) + np.count_nonzero(reference)
    return 2 * np.count_nonzero(prediction & reference) / size if size else 1.0


def surface_dice(prediction: Mask, reference: Mask, spacing: Spacing, tolerance_mm: float) -> float:
    """Return the share of both surfaces that lies within a tolerance of the other.

    Parameters
    ----------
    prediction, reference : shape (Z, Y, X)
    spacing : (sz, sy, sx), mm
    tolerance_mm : float

    Returns
    -------
    float
        0..1; 1 when both masks are empty, 0 when one of them is.

    Notes
    -----
    Both masks are cut to the box they share, with one empty voxel around it. No surface lies outside, so this changes
    the time only. At the border of the scan it also ends a mask there, as the official code does.

    References
    ----------
    .. [1] Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
       radiotherapy", 2018, arXiv:1809.04430.
    """
    boxes = [box for box in (foreground_box(prediction), foreground_box(reference)) if box is not None]
    if len(boxes) < 2:
        return 0.0 if boxes else 1.0
    around = _with_margin(boxes[0].union(boxes[1]))
    return _surface_dice_of_cropped(crop_pad(prediction, around), crop_pad(reference, around), spacing, tolerance_mm)


def evaluate_case(prediction: LabelVolume, reference: LabelVolume, name: str) -> CaseScores:
    """Return the KiTS scores of one case.

    Parameters
    ----------
    prediction, reference : LabelVolume
        On one grid.
    name : str
        Of the case, for the table.

    Raises
    ------
    GeometryMismatchError
        When the two do not share a grid.

    References
    ----------
    .. [1] Heller et al., "The KiTS21 Challenge", 2023, arXiv:2307.01984; `evaluation/metrics.py` of neheller/kits23.
    """
    _check_one_grid(prediction, reference)
    around = foreground_box((prediction.array != 0) | (reference.array != 0)) or Box(start=(0, 0, 0), stop=(1, 1, 1))
    predicted, expected = prediction.array[around.slices], reference.array[around.slices]
    overlaps, surfaces, absent = {}, {}, []
    for one in EVALUATION_CLASSES:
        mine, theirs = np.isin(predicted, one.labels), np.isin(expected, one.labels)
        absent += [] if theirs.any() else [one.name]
        overlaps[one.name] = dice(mine, theirs)
        surfaces[one.name] = surface_dice(mine, theirs, reference.spacing, one.tolerance_mm)
    return CaseScores(name=name, dice=overlaps, surface_dice=surfaces, absent=tuple(absent))


def _with_margin(box: Box) -> Box:
    """Return `box` with one voxel more on every side, also outside the scan."""
    return Box(start=tuple(a - 1 for a in box.start), stop=tuple(b + 1 for b in box.stop))  # type: ignore[arg-type]


def _surface_dice_of_cropped(prediction: Mask, reference: Mask, spacing: Spacing, tolerance_mm: float) -> float:
    import torch
    from monai.metrics.surface_dice import compute_surface_dice

    with warnings.catch_warnings():
        # MONAI 1.5 and 1.6 warn about an argument that they pass to themselves.
        warnings.filterwarnings("ignore", message=".*always_return_as_numpy", category=FutureWarning)
        score = compute_surface_dice(
            torch.from_numpy(prediction[np.newaxis, np.newaxis]),
            torch.from_numpy(reference[np.newaxis, np.newaxis]),
            class_thresholds=[tolerance_mm],
            include_background=True,  # the only channel is the structure
            spacing=spacing,
            use_subvoxels=True,  # surface area by marching cubes; without it the score differs from the official one
        )
    return float(score)


def _check_one_grid(prediction: LabelVolume, reference: LabelVolume) -> None:
    if not prediction.geometry.is_close(reference.geometry):
        raise GeometryMismatchError(
            f"The prediction {prediction.name!r} lies on {_described(prediction.geometry)}; the reference "
            f"{reference.name!r} on {_described(reference.geometry)}. Save both on the grid of the same scan."
        )


def _described(geometry: Geometry) -> str:
    spacing, origin = ([round(v, 4) for v in values] for values in (geometry.spacing, geometry.origin))
    return f"a grid of shape {geometry.shape!r}, spacing {spacing!r} mm and origin {origin!r} mm"


def mean_scores(cases: tuple[CaseScores, ...], name: str = "mean") -> CaseScores:
    """Return the mean over cases of every score.

    Raises
    ------
    ValueError
        When there are no cases.
    """
    if not cases:
        raise ValueError("Found no cases; needed at least one to average.")
    return CaseScores(
        name=name,
        dice=_mean_by_class([case.dice for case in cases]),
        surface_dice=_mean_by_class([case.surface_dice for case in cases]),
    )


def _mean_by_class(scores: list[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, Any] = {one.name: np.mean([score[one.name] for score in scores]) for one in EVALUATION_CLASSES}
    return {name: float(value) for name, value in found.items()}
