import numpy as np
import pytest
from scipy import ndimage

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.phantom.analytic import analytic_labels
from napari_kidney_seg.phantom.scene import Grid

SPACING = (3.0, 2.0, 2.0)


def kidney_count(labels):
    components, count = ndimage.label(labels.array > 0)
    sizes = np.bincount(components.ravel())[1:] * labels.geometry.voxel_ml
    return int((sizes > 30).sum()) if count else 0


@pytest.mark.parametrize(
    ("arrangement", "count"), [("both", 2), ("left", 1), ("right", 1), ("horseshoe", 1), ("none", 0)]
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_arrangement_has_its_number_of_kidneys(arrangement, count, seed):
    assert kidney_count(analytic_labels(seed, arrangement, SPACING)) == count


@pytest.mark.parametrize(("arrangement", "sign"), [("left", 1), ("right", -1)])
def test_a_single_kidney_lies_on_its_side_of_the_patient(arrangement, sign):
    labels = analytic_labels(0, arrangement, SPACING)

    x = Grid.of(labels.geometry).axis(2)[np.nonzero(labels.array)[2]]

    assert sign * x.mean() > 45


@pytest.mark.parametrize("seed", range(6))
def test_kidneys_have_the_volume_of_kidneys(seed):
    labels = analytic_labels(seed, "both", SPACING)

    assert 200 < labels.volume_ml("kidney") < 420


def test_lesions_are_grown_as_many_as_asked_for():
    labels = analytic_labels(25, "both", SPACING, tumors=1, cysts=1)

    assert ndimage.label(labels.array == 2)[1] == 1
    assert labels.volume_ml("tumor") > 1
    assert labels.volume_ml("cyst") > 0.3


def test_the_volume_hardly_depends_on_the_spacing():
    fine = analytic_labels(3, "both", (1.5, 1.0, 1.0))
    coarse = analytic_labels(3, "both", (3.0, 2.0, 2.0))

    assert coarse.volume_ml("kidney") == pytest.approx(fine.volume_ml("kidney"), rel=0.05)


def test_the_same_seed_gives_the_same_labels():
    first, second = (analytic_labels(5, "both", SPACING, tumors=2, cysts=2) for _ in range(2))

    np.testing.assert_array_equal(first.array, second.array)


def test_an_unknown_arrangement_is_named():
    with pytest.raises(KidneySegError, match=r"kidneys='three'.*'horseshoe'"):
        analytic_labels(0, "three")  # type: ignore[arg-type]
