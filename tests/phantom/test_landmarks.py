import numpy as np
import pytest

from napari_kidney_seg.phantom.analytic import analytic_labels
from napari_kidney_seg.phantom.landmarks import find_landmarks

SPACING = (3.0, 2.0, 2.0)


def landmarks_of(arrangement, fat=0.5, seed=1):
    return find_landmarks(analytic_labels(seed, arrangement, SPACING), fat, np.random.default_rng(0))


def test_two_kidneys_lie_on_both_sides_of_the_spine():
    marks = landmarks_of("both")

    assert [kidney.side for kidney in marks.kidneys] == [-1, 1]
    assert marks.midline == pytest.approx(0, abs=8)


@pytest.mark.parametrize(("arrangement", "side"), [("left", 1), ("right", -1)])
@pytest.mark.parametrize("seed", range(5))
def test_the_hilum_of_a_single_kidney_tells_its_side(arrangement, side, seed):
    marks = landmarks_of(arrangement, seed=seed)

    assert [kidney.side for kidney in marks.kidneys] == [side]
    assert marks.midline == pytest.approx(0, abs=16)


def test_a_horseshoe_kidney_has_the_spine_in_its_middle_and_behind_it():
    marks = landmarks_of("horseshoe")

    assert len(marks.kidneys) == 1
    assert marks.midline == pytest.approx(0, abs=8)
    assert marks.spine > -25


def test_without_kidneys_the_body_lies_around_the_middle_of_the_map():
    marks = landmarks_of("none")

    assert marks.kidneys == ()
    assert marks.midline == pytest.approx(0, abs=6)


def test_the_body_holds_the_kidneys():
    marks = landmarks_of("both", fat=0.0)

    assert marks.front < marks.low[1] < marks.high[1] < marks.back
    assert marks.midline - marks.cavity_half_width < marks.low[2]
    assert marks.high[2] < marks.midline + marks.cavity_half_width


def test_more_fat_makes_a_larger_body():
    thin, stout = landmarks_of("both", fat=0.0), landmarks_of("both", fat=1.0)

    assert stout.skin_fat > thin.skin_fat + 15
    assert stout.back - stout.front > thin.back - thin.front + 20
