from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import AxisMap, Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.widgets.edit_tools import split_kidneys
from napari_kidney_seg.widgets.layer_data import LEFT_KIDNEY, METADATA_KEY, ct_layer_data, record_for
from napari_kidney_seg.widgets.layers import (
    add_label_layers,
    compose,
    compose_layers,
    is_ct,
    label_layers,
    volume_from_layer,
)


@pytest.fixture
def ct(model, scan):
    data, options, _ = ct_layer_data(scan)
    return model.add_image(data, **options)


def test_the_volume_of_a_layer_is_the_one_it_was_made_from(ct, scan):
    volume = volume_from_layer(ct)

    np.testing.assert_array_equal(volume.array, scan.array)
    assert volume.geometry.is_close(scan.geometry)
    assert volume.name == "case"


def test_label_layers_lie_on_the_ct_in_scale_place_units_and_axes(model, ct, mask):
    layers = add_label_layers(model, mask, ct)

    assert [layer.name for layer in model.layers] == ["case", "kidney", "cyst", "tumor"]
    for layer in layers:
        np.testing.assert_allclose(layer.scale, (5, 0.8, 0.9))
        np.testing.assert_allclose(layer.translate, (-900, -100, -60))
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
        assert layer.axis_labels == ("z", "y", "x")


def test_kidney_is_red_tumor_green_cyst_blue_whatever_number_is_painted(model, ct, mask):
    kidney, cyst, tumor = add_label_layers(model, mask, ct)

    assert np.argmax(kidney.get_color(1)[:3]) == 0
    assert np.argmax(tumor.get_color(2)[:3]) == 1
    assert np.argmax(cyst.get_color(3)[:3]) == 2
    np.testing.assert_allclose(tumor.get_color(7), tumor.get_color(2))


def test_the_status_bar_names_the_class_under_the_cursor(model, ct, mask):
    _, _, tumor = add_label_layers(model, mask, ct)
    model.layers.selection.active = tumor

    status = tumor.get_status(tumor.data_to_world((4, 4, 4)), world=True)

    assert "class: tumor" in status["coordinates"]


def test_a_second_run_updates_the_layers_and_can_be_undone(model, ct, mask):
    first = add_label_layers(model, mask, ct)
    empty = LabelVolume(array=np.zeros_like(mask.array), geometry=mask.geometry, name=mask.name)

    second = add_label_layers(model, empty, ct)

    assert second == first
    assert not np.any(first[0].data)
    first[0].undo()
    assert np.count_nonzero(first[0].data) == 100


def test_a_second_run_tells_left_from_right_where_the_layer_did(model, ct, scan):
    array = np.zeros(scan.array.shape, np.uint8)
    array[3:6, 3:6, 1:4] = array[3:6, 3:6, -4:-1] = 1  # the patient's right comes first in a canonical scan
    kidney, *_ = add_label_layers(model, LabelVolume(array=array, geometry=scan.geometry, name=scan.name), ct)
    split_kidneys(kidney, scan.geometry)
    kidney.data_setitem(np.nonzero(kidney.data == 1), 0)  # only the left one is left
    grown = np.zeros_like(array)
    grown[2:8, 2:8, :5] = grown[2:8, 2:8, -5:] = 1

    add_label_layers(model, LabelVolume(array=grown, geometry=scan.geometry, name=scan.name), ct)

    expected = grown.copy()
    expected[..., -5:] *= LEFT_KIDNEY
    np.testing.assert_array_equal(kidney.data, expected)


def test_composing_gives_back_the_mask_that_was_shown(model, ct, mask):
    layers = add_label_layers(model, mask, ct)

    np.testing.assert_array_equal(compose_layers(layers).array, mask.array)


def test_an_edited_tumor_wins_over_cyst_and_kidney(model, ct, mask):
    layers = add_label_layers(model, mask, ct)
    layers[2].data_setitem((np.array([5]), np.array([6]), np.array([6])), 2)

    assert compose_layers(layers).array[5, 6, 6] == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_mask_follows_a_ct_layer_that_is_stored_in_another_orientation(model, scan, mask, order):
    axis_map = AxisMap(order=order, flips=(True, False, True))
    geometry = scan.geometry.mapped(axis_map)
    layer = model.add_image(
        axis_map.apply(scan.array),
        metadata={METADATA_KEY: replace(record_for(scan), geometry=geometry)},
    )

    np.testing.assert_array_equal(volume_from_layer(layer).array, scan.array)
    layers = add_label_layers(model, mask, layer)

    np.testing.assert_array_equal(layers[0].data > 0, axis_map.apply(mask.array > 0))
    np.testing.assert_array_equal(compose_layers(layers).array, mask.array)


def test_label_layers_of_another_scan_are_left_alone(model, ct, scan, mask):
    data, options, _ = ct_layer_data(replace(scan, name="other"))
    other = model.add_image(data, **options)

    mine = add_label_layers(model, mask, ct)

    assert label_layers(model.layers, ct) == mine
    assert label_layers(model.layers, other) == []


def test_a_mask_of_another_grid_is_refused(model, ct, mask):
    coarser = replace(mask, geometry=Geometry.from_spacing(mask.array.shape, (5, 0.8, 1.0)))

    with pytest.raises(GeometryMismatchError, match="Choose the CT it was made from"):
        add_label_layers(model, coarser, ct)


def test_a_layer_that_names_no_scan_is_not_composed():
    with pytest.raises(GeometryMismatchError, match="does not say on which scan it lies"):
        compose([("Labels", np.zeros((2, 2, 2), np.uint8), None)])


def test_layers_of_two_grids_are_not_composed(scan, mask):
    small = Volume(array=scan.array[:5], geometry=replace(scan.geometry, shape=(5, 12, 14)), name="case")
    parts = [("kidney", mask.array, record_for(scan).for_label("kidney"))]
    parts.append(("cut", mask.array[:5], record_for(small).for_label("tumor")))

    with pytest.raises(GeometryMismatchError, match="'cut' lies on another grid"):
        compose(parts)


def test_a_mask_of_unknown_ids_is_refused(scan, mask):
    with pytest.raises(GeometryMismatchError, match=r"holds the ids \[9\]"):
        compose([("mask", np.full(mask.array.shape, 9), record_for(scan))])


def test_only_gray_three_dimensional_images_can_be_a_ct(model, ct):
    assert is_ct(ct)
    assert not is_ct(model.add_image(np.zeros((8, 8))))
    assert not is_ct(model.add_image(np.zeros((4, 8, 8, 3), np.uint8), rgb=True))
    assert not is_ct(Labels(np.zeros((4, 4, 4), np.uint8)))
