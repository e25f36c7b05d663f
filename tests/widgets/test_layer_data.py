from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.widgets.layer_data import ct_layer_data, label_layer_data, placement, record_of


def test_voxels_of_an_upright_scan_lie_at_inferior_posterior_left_millimeters(scan):
    scale, translate = placement(scan.geometry)

    world = np.array(translate) + np.array(scale) * (1, 2, 3)

    x, y, z = -60 + 3 * 0.9, -100 + 2 * 0.8, 900 - 1 * 5.0
    np.testing.assert_allclose(world, (-z, y, x))


def test_an_oblique_scan_is_shown_about_its_own_center():
    angle = np.radians(20)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    upright = Geometry.from_spacing((5, 7, 9), (4, 2, 1), (10, 20, 30))
    affine = upright.affine.copy()
    affine[:3] = rotation @ affine[:3]
    oblique = Geometry(shape=upright.shape, affine=affine)

    scale, translate = placement(oblique)

    x, y, z = (oblique.affine @ (2, 3, 4, 1))[:3]
    np.testing.assert_allclose(np.array(translate) + np.array(scale) * (2, 3, 4), (-z, y, x))
    np.testing.assert_allclose(scale, (4, 2, 1))


def test_a_ct_opens_in_the_abdomen_window(scan):
    _, options, kind = ct_layer_data(scan)

    assert kind == "image"
    assert options["contrast_limits"] == (-160, 240)
    assert options["units"] == ("mm", "mm", "mm")
    assert options["axis_labels"] == ("z", "y", "x")


def test_values_that_miss_the_abdomen_window_are_shown_from_lowest_to_highest(scan):
    array = np.linspace(1000, 3000, scan.array.size).reshape(scan.array.shape).astype(np.float32)

    _, options, _ = ct_layer_data(Volume(array=array, geometry=scan.geometry))

    assert options["contrast_limits"] == (1000, 3000)


def test_the_kidney_layer_holds_its_masses_and_each_layer_names_its_class(mask):
    layers = {options["name"]: (data, options) for data, options, _ in label_layer_data(mask)}

    assert list(layers) == ["kidney", "cyst", "tumor"]
    assert {name: np.count_nonzero(data) for name, (data, _) in layers.items()} == {
        "kidney": 100,
        "cyst": 2,
        "tumor": 4,
    }
    assert {name: data.max() for name, (data, _) in layers.items()} == {"kidney": 1, "cyst": 3, "tumor": 2}
    assert layers["cyst"][1]["features"] == {"index": [0, 3], "class": ["background", "cyst"]}
    assert record_of(layers["tumor"][1]["metadata"]).label == "tumor"


@pytest.mark.parametrize("metadata", [{}, {"napari_kidney_seg": {"path": "old.nii"}}])
def test_a_layer_of_another_maker_has_no_record(metadata):
    assert record_of(metadata) is None
