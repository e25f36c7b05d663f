"""Pictures stand the right way up, in true proportions, with the labels' colors."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.evaluation.picture import OPACITY, render_views, write_picture

SHAPE, SPACING = (20, 40, 60), (4.0, 2.0, 2.0)  # 80 x 80 x 120 mm
GEOMETRY = Geometry.from_spacing(SHAPE, SPACING)
SCALE = 480 / 120  # pixels per mm: the longest side fills its panel


def scan(array):
    return Volume(array=array, geometry=GEOMETRY)


def mask(array):
    return LabelVolume(array=array, geometry=GEOMETRY)


@pytest.fixture
def empty_mask():
    return mask(np.zeros(SHAPE, np.uint8))


def views_of(picture):
    """Return the axial, coronal and sagittal views of a picture: 8 pixels apart, centered in height."""
    axial, coronal, sagittal = (picture[8:328, 8:488], picture[8:328, 496:976], picture[8:328, 984:1304])
    return axial, coronal, sagittal


def test_the_views_have_true_proportions(empty_mask):
    picture = render_views(scan(np.full(SHAPE, 240, np.int16)), empty_mask)

    assert picture.shape == (320 + 16, 8 + 480 + 8 + 480 + 8 + 320 + 8, 3)
    assert all((view[20:-20, 20:-20] == 255).mean() > 0.99 for view in views_of(picture))


@pytest.mark.parametrize(
    ("bright", "view", "corner"),
    [
        (np.s_[:, :, :30], 0, np.s_[40:300, 30:200]),  # patient right: left of the axial view
        (np.s_[:, :20, :], 0, np.s_[20:140, 60:400]),  # anterior: top of the axial view
        (np.s_[:10], 1, np.s_[20:140, 60:400]),  # superior: top of the coronal view
        (np.s_[:, :, :30], 1, np.s_[40:300, 30:200]),  # patient right: left of the coronal view
        (np.s_[:, :20, :], 2, np.s_[40:300, 30:140]),  # anterior: left of the sagittal view
    ],
    ids=["right-axial", "anterior-axial", "superior-coronal", "right-coronal", "anterior-sagittal"],
)
def test_each_side_of_the_patient_is_where_radiologists_expect_it(empty_mask, bright, view, corner):
    array = np.full(SHAPE, -1000, np.int16)
    array[bright] = 1000

    shown = views_of(render_views(scan(array), empty_mask))[view]

    assert np.median(shown[corner]) == 255
    assert np.median(shown[::-1, ::-1][corner]) == 0


def test_a_label_is_blended_in_its_color():
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:12, 15:25, 25:35] = KITS["tumor"].id

    axial, _, _ = views_of(render_views(scan(np.full(SHAPE, 40, np.int16)), mask(labels)))

    gray = 0.5  # 40 HU lies in the middle of the window
    expected = [round(255 * ((1 - OPACITY) * gray + OPACITY * part)) for part in KITS["tumor"].color]
    np.testing.assert_array_equal(axial[160, 240], expected)


def test_the_file_holds_the_rendered_picture(tmp_path, empty_mask):
    ct = scan(np.full(SHAPE, 40, np.int16))

    write_picture(tmp_path / "views.png", ct, empty_mask)

    with Image.open(tmp_path / "views.png") as stored:
        np.testing.assert_array_equal(np.asarray(stored), render_views(ct, empty_mask))


def test_a_mask_of_another_shape_is_refused():
    other = LabelVolume(array=np.zeros((2, 2, 2), np.uint8), geometry=Geometry.from_spacing((2, 2, 2), (1, 1, 1)))

    with pytest.raises(GeometryMismatchError, match=r"\(2, 2, 2\).*\(20, 40, 60\)"):
        render_views(scan(np.zeros(SHAPE, np.int16)), other)
