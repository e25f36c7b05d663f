"""What a person meets in napari itself: drop, view, save, dock."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.widgets.demo import dock_segment_widget
from napari_kidney_seg.widgets.layers import add_label_layers

PLUGIN = "napari-kidney-seg"
SUPERIOR_ANTERIOR_RIGHT = (1, 2, 3)  # the bright voxel of the scan, (z, y, x)


def quadrant(viewer, layer, order) -> tuple[str, str]:
    """Return where the brightest voxel lies on the canvas that shows the axes `order`, as napari draws it."""
    viewer.dims.order = order
    row_axis, column_axis = viewer.dims.displayed
    where = np.unravel_index(np.argmax(layer.data), layer.data.shape)
    offset = layer.data_to_world(where) - np.mean(layer.extent.world, axis=0)
    row, column = (("up", "down"), ("left", "right"))
    scene = viewer.scene if hasattr(viewer, "scene") else viewer  # napari below 0.9
    assert tuple(scene.camera.orientation2d) == ("down", "right")  # world grows downwards and to the right
    return row[int(offset[row_axis] > 0)], column[int(offset[column_axis] > 0)]


@pytest.mark.parametrize(
    ("view", "order", "expected"),
    [
        ("axial: anterior up, patient right on the left", (0, 1, 2), ("up", "left")),
        ("coronal: head up, patient right on the left", (1, 0, 2), ("up", "left")),
        ("sagittal: head up, anterior on the left", (2, 0, 1), ("up", "left")),
    ],
)
def test_every_view_of_an_opened_scan_is_upright(model, scan_file, view, order, expected):
    (layer,) = model.open(str(scan_file), plugin=PLUGIN)

    assert np.unravel_index(np.argmax(layer.data), layer.data.shape) == SUPERIOR_ANTERIOR_RIGHT
    assert quadrant(model, layer, order) == expected, view


def test_the_first_slice_on_the_slider_is_the_most_superior(model, scan_file):
    (layer,) = model.open(str(scan_file), plugin=PLUGIN)

    assert layer.data_to_world((0, 0, 0))[0] == pytest.approx(-900)  # minus the height in the patient, mm
    assert layer.data_to_world((9, 0, 0))[0] == pytest.approx(-855)


def test_the_canvas_draws_the_bright_voxel_up_and_left(make_napari_viewer, scan_file):
    viewer = make_napari_viewer(show=True)
    (layer,) = viewer.open(str(scan_file), plugin=PLUGIN)
    layer.contrast_limits = (500, 900)
    viewer.dims.set_current_step(0, SUPERIOR_ANTERIOR_RIGHT[0])

    picture = viewer.screenshot(flash=False)[..., :3].sum(axis=-1)

    rows, columns = np.nonzero(picture > picture.max() / 2)
    height, width = picture.shape
    assert picture.max() > 300
    assert rows.mean() < height / 2
    assert columns.mean() < width / 2


def test_layers_saved_with_napari_open_again_as_they_were(model, scan_file, mask, tmp_path):
    (ct,) = model.open(str(scan_file), plugin=PLUGIN)
    layers = add_label_layers(model, mask, ct)
    edited = layers[1].data.copy()
    path = tmp_path / "saved.nii.gz"
    model.layers.selection = set(layers)

    written = model.layers.save(str(path), selected=True, plugin=PLUGIN)

    assert written == [str(path)]
    np.testing.assert_array_equal(nib.load(path).affine, nib.load(scan_file).affine)
    again = model.open(str(path), plugin=PLUGIN)
    np.testing.assert_array_equal(again[1].data, edited)
    np.testing.assert_allclose(again[1].translate, ct.translate, atol=1e-4)


def test_a_new_layer_of_napari_cannot_be_saved_at_a_wrong_place(model, scan_file, tmp_path):
    (ct,) = model.open(str(scan_file), plugin=PLUGIN)
    labels = model.add_labels(np.zeros(ct.data.shape, np.uint8))
    model.layers.selection = {labels}

    with pytest.raises(GeometryMismatchError, match="does not say on which scan it lies"):
        model.layers.save(str(tmp_path / "saved.nii.gz"), selected=True, plugin=PLUGIN)


def test_the_widget_docks_from_the_plugins_menu(viewer, bundle):
    widget = dock_segment_widget(viewer)

    assert widget.scan.layer is None
    assert widget.method.choice.bundle == bundle
