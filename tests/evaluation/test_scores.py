"""The scores equal hand-counted values, set arithmetic and the official implementation."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.evaluation.scores import (
    EVALUATION_CLASSES,
    CaseScores,
    dice,
    evaluate_case,
    mean_scores,
    surface_dice,
)
from napari_kidney_seg.io.images import read_labels

HAS_ORACLE = importlib.util.find_spec("surface_distance") is not None
NEEDS_ORACLE = pytest.mark.skipif(not HAS_ORACLE, reason="surface-distance-based-measures is not installed")
REAL_CASES = ("case_00429", "case_00194", "case_00459")  # small ones with tumors and cysts


def box_mask(shape, start, stop):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def shifted(array):
    return np.roll(array, (1, 2, -2), axis=(0, 1, 2))


def grown_tumor(array):
    grown = ndimage.binary_dilation(array == 2, iterations=2)
    return np.where(grown & (array > 0), 2, array).astype(np.uint8)


def without_cysts(array):
    return np.where(array == 3, 1, array).astype(np.uint8)


def without_tumor(array):
    return np.where(array == 2, 1, array).astype(np.uint8)


def with_a_false_kidney(array):
    changed = array.copy()
    changed[:6, :20, :20] = 1
    return changed


PERTURBATIONS = {one.__name__: one for one in (shifted, grown_tumor, without_cysts, without_tumor, with_a_false_kidney)}


@pytest.fixture(scope="module", params=REAL_CASES)
def real_labels(request, shared_data: Path) -> LabelVolume:
    return read_labels(shared_data / "kits23_labels" / f"{request.param}.nii.gz")


@dataclass(frozen=True)
class Perturbed:
    """A changed copy of a real mask, and its scores against the original."""

    mask: LabelVolume
    scores: CaseScores


@pytest.fixture(scope="module", params=PERTURBATIONS.values(), ids=PERTURBATIONS)
def perturbed(request, real_labels) -> Perturbed:
    mask = real_labels.with_array(request.param(real_labels.array))
    return Perturbed(mask, evaluate_case(mask, real_labels, "case"))


def official_surface_dice(prediction, reference, spacing, tolerance_mm):
    """Return what kits23 `evaluation/metrics.py` computes."""
    from surface_distance import compute_surface_dice_at_tolerance, compute_surface_distances

    if not prediction.any() or not reference.any():
        return float(prediction.any() == reference.any())
    distances = compute_surface_distances(reference, prediction, spacing)
    return compute_surface_dice_at_tolerance(distances, tolerance_mm)


def dice_of_sets(prediction, reference, labels):
    """Return Dice by set arithmetic on voxel numbers."""
    mine, theirs = (np.flatnonzero(np.isin(mask, labels)) for mask in (prediction, reference))
    common = np.intersect1d(mine, theirs, assume_unique=True)
    return 2 * len(common) / (len(mine) + len(theirs)) if len(mine) + len(theirs) else 1.0


def test_classes_and_tolerances_are_those_of_kits23():
    classes = {one.name: (one.labels, one.tolerance_mm) for one in EVALUATION_CLASSES}

    assert classes == {
        "kidney": ((1, 2, 3), 1.0330772532390826),
        "masses": ((2, 3), 1.1328796488598762),
        "tumor": ((2,), 1.1498198361434828),
    }


def test_dice_of_two_cubes_that_share_a_third_of_each():
    first = box_mask((8, 8, 8), (0, 0, 0), (3, 2, 2))
    second = box_mask((8, 8, 8), (2, 0, 0), (5, 2, 2))

    assert dice(first, second) == pytest.approx(2 * 4 / (12 + 12))


@pytest.mark.parametrize("score", [dice, lambda a, b: surface_dice(a, b, (1, 1, 1), 1.0)], ids=["dice", "surface"])
def test_empty_masks_follow_the_official_rule(score):
    empty, full = np.zeros((4, 4, 4), bool), box_mask((4, 4, 4), (1, 1, 1), (3, 3, 3))

    assert (score(empty, empty), score(full, empty), score(empty, full)) == (1.0, 0.0, 0.0)


def test_surface_dice_of_a_cube_and_a_longer_one_is_what_counting_the_surface_gives():
    # A 10 mm cube against one 3 mm longer along z. Surface elements of voxel masks: 1 mm2 on a face, sqrt(1/2) on an
    # edge, sqrt(3)/8 on a corner. Of the cube's lid, 49 elements are farther than 1.1 mm from the other surface; of
    # the longer box, the ring 2 mm above the lid and its own lid with edges and corners.
    edge, corner = sqrt(1 / 2), sqrt(3) / 8
    cube = 6 * 81 + 12 * 9 * edge + 8 * corner
    longer = 2 * 81 + 4 * 9 * 12 + (8 * 9 + 4 * 12) * edge + 8 * corner
    far = 49 + (36 + 4 * edge) + (81 + 4 * 9 * edge + 4 * corner)

    score = surface_dice(
        box_mask((20, 20, 20), (3, 4, 4), (16, 14, 14)), box_mask((20, 20, 20), (3, 4, 4), (13, 14, 14)), (1, 1, 1), 1.1
    )

    assert score == pytest.approx((cube + longer - far) / (cube + longer), abs=1e-6)


@pytest.mark.parametrize(("spacing", "agrees"), [((1, 1, 3), True), ((3, 1, 1), False)])
def test_surface_dice_takes_spacing_in_array_order(spacing, agrees):
    reference = box_mask((12, 12, 12), (3, 3, 3), (8, 8, 8))
    one_slice_more = box_mask((12, 12, 12), (3, 3, 3), (9, 8, 8))

    assert (surface_dice(one_slice_more, reference, spacing, 1.1) == 1) is agrees


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_cropping_leaves_surface_dice_of_a_real_mask_unchanged(real_labels):
    import torch
    from monai.metrics import compute_surface_dice

    reference = real_labels.array > 0
    prediction = shifted(reference)

    ours = surface_dice(prediction, reference, real_labels.spacing, 1.0330772532390826)

    uncropped = compute_surface_dice(
        torch.from_numpy(np.pad(prediction, 20)[None, None]),
        torch.from_numpy(np.pad(reference, 20)[None, None]),
        class_thresholds=[1.0330772532390826],
        include_background=True,
        spacing=real_labels.spacing,
        use_subvoxels=True,
    )
    assert ours == pytest.approx(float(uncropped), abs=1e-9)


def test_dice_of_real_masks_equals_set_arithmetic(real_labels, perturbed):
    for one in EVALUATION_CLASSES:
        expected = dice_of_sets(perturbed.mask.array, real_labels.array, one.labels)
        assert perturbed.scores.dice[one.name] == pytest.approx(expected, abs=1e-12)


@NEEDS_ORACLE
@pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")  # the official code's own
def test_surface_dice_of_real_masks_equals_the_official_code(real_labels, perturbed):
    for one in EVALUATION_CLASSES:
        mine, theirs = np.isin(perturbed.mask.array, one.labels), np.isin(real_labels.array, one.labels)
        expected = official_surface_dice(mine, theirs, real_labels.spacing, one.tolerance_mm)
        assert perturbed.scores.surface_dice[one.name] == pytest.approx(expected, abs=1e-6)


@NEEDS_ORACLE
@pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")  # the official code's own
def test_surface_dice_of_masks_that_touch_the_scan_border_equals_the_official_code():
    reference = box_mask((9, 12, 12), (0, 0, 0), (9, 8, 12))
    prediction = box_mask((9, 12, 12), (0, 3, 0), (7, 12, 12))

    score = surface_dice(prediction, reference, (2.5, 0.8, 0.8), 1.0)

    assert score == pytest.approx(official_surface_dice(prediction, reference, (2.5, 0.8, 0.8), 1.0), abs=1e-6)


def test_a_mask_scores_one_against_itself_and_an_empty_scan_against_an_empty_one(make_labels):
    full, empty = make_labels(np.full((4, 4, 4), 2, np.uint8)), make_labels(np.zeros((4, 4, 4), np.uint8))

    for mask in (full, empty):
        scores = evaluate_case(mask, mask, "case")
        assert set(scores.dice.values()) == {1.0}
        assert set(scores.surface_dice.values()) == {1.0}


def test_kits19_composite_is_the_mean_dice_of_organ_and_tumor_with_cysts_as_kidney(make_labels):
    reference = make_labels(np.array([[[1, 1, 1, 1, 2, 2, 0, 0]]], np.uint8))
    prediction = make_labels(np.array([[[1, 1, 3, 0, 2, 0, 0, 0]]], np.uint8))

    scores = evaluate_case(prediction, reference, "case")

    organ, tumor = 2 * 4 / (6 + 4), 2 * 1 / (2 + 1)
    assert scores.kits19_composite == pytest.approx((organ + tumor) / 2)


def test_masks_on_different_grids_are_refused_with_both_named(make_labels):
    array = np.zeros((4, 4, 4), np.uint8)
    prediction, reference = make_labels(array, (1, 1, 1), "mine"), make_labels(array, (2, 1, 1), "theirs")

    with pytest.raises(GeometryMismatchError, match=r"'mine'.*1\.0, 1\.0, 1\.0.*'theirs'.*2\.0, 1\.0, 1\.0") as caught:
        evaluate_case(prediction, reference, "case")

    assert "Save both on the grid of the same scan" in str(caught.value)


def test_masks_with_a_moved_origin_are_refused():
    array = np.zeros((4, 4, 4), np.uint8)
    here = LabelVolume(array=array, geometry=Geometry.from_spacing((4, 4, 4), (1, 1, 1)))
    there = LabelVolume(array=array, geometry=Geometry.from_spacing((4, 4, 4), (1, 1, 1), origin=(0, 0, 5)))

    with pytest.raises(GeometryMismatchError, match="origin"):
        evaluate_case(here, there, "case")


def test_the_mean_is_taken_per_class():
    first = CaseScores(
        name="a",
        dice={"kidney": 1, "masses": 0.5, "tumor": 0},
        surface_dice=dict.fromkeys(("kidney", "masses", "tumor"), 1),
    )
    second = CaseScores(
        name="b",
        dice={"kidney": 0, "masses": 0.7, "tumor": 1},
        surface_dice=dict.fromkeys(("kidney", "masses", "tumor"), 0),
    )

    mean = mean_scores((first, second))

    assert mean.name == "mean"
    assert mean.dice == pytest.approx({"kidney": 0.5, "masses": 0.6, "tumor": 0.5})
    assert mean.surface_dice == pytest.approx({"kidney": 0.5, "masses": 0.5, "tumor": 0.5})


def test_a_mean_of_no_cases_is_refused():
    with pytest.raises(ValueError, match="needed at least one"):
        mean_scores(())
