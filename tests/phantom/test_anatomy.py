from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.phantom.anatomy import OrganMap, render_anatomy


@pytest.fixture(scope="module")
def options(quiet):
    return replace(quiet, spacing=(5.0, 4.0, 4.0), slice_thickness_mm=5.0, field_of_view_mm=(140.0, 240.0, 330.0))


def test_masks_become_one_map_in_which_later_organs_win():
    masks = {"liver": np.array([[[1, 1, 0]]]), "spleen": np.array([[[0, 1, 0]]])}

    from napari_kidney_seg.core.geometry import Geometry

    organs = OrganMap.from_masks(masks, Geometry.from_spacing((1, 1, 3), (1.0, 1.0, 1.0)))

    assert organs.array.tolist() == [[[1, 2, 0]]]
    assert organs.names == {1: "liver", 2: "spleen"}


def test_kidneys_of_the_map_are_labelled_in_the_scan(organs, options):
    _, labels = render_anatomy(organs, 1, replace(options, with_lesions=False))

    assert set(np.unique(labels.array)) == {0, 1}
    assert labels.volume_ml("kidney") == pytest.approx(organs.kidney_labels().volume_ml("kidney"), rel=0.15)


def test_organs_have_the_attenuation_of_their_tissue(organs, options):
    volume, labels = render_anatomy(organs, 1, options)

    kidney = ndimage.binary_erosion(labels.array == 1)
    assert 100 < np.median(volume.array[kidney]) < 230
    assert volume.array[0, 0, 0] < -900
    assert np.mean(volume.array > 300) > 0.0005


def test_the_same_seed_gives_the_same_voxels(organs, options):
    first, second = (render_anatomy(organs, 7, options) for _ in range(2))

    np.testing.assert_array_equal(first[0].array, second[0].array)
    np.testing.assert_array_equal(first[1].array, second[1].array)


def test_foreign_kidneys_are_put_in_undistorted(organs, options, kidneys):
    _, labels = render_anatomy(organs, 3, replace(options, field_of_view_mm=(170.0, 240.0, 330.0)), kidneys)

    for name in ("kidney", "tumor", "cyst"):
        assert labels.volume_ml(name) == pytest.approx(kidneys.volume_ml(name), rel=0.04)


def test_a_map_without_kidneys_is_refused(organs, options):
    headless = replace(organs, array=np.where(organs.array > 6, 0, organs.array))

    with pytest.raises(KidneySegError, match="no kidney among"):
        render_anatomy(headless, 0, options)
