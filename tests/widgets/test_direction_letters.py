import numpy as np
import pytest

from napari_kidney_seg.core.geometry import AxisMap
from napari_kidney_seg.widgets import direction_letters
from napari_kidney_seg.widgets.direction_letters import POSITIONS, DirectionLetters, side_letters
from napari_kidney_seg.widgets.layer_data import METADATA_KEY, ct_layer_data, record_for
from napari_kidney_seg.widgets.segment import SegmentWidget

PLUGIN = "napari-kidney-seg"
AXIAL = {"top": "A", "left": "R", "right": "L", "bottom": "P"}


@pytest.fixture
def shown(model, scan):
    """A viewer with a CT, its letters, and a way to read what the canvas shows."""
    if direction_letters._overlays(model) is None:
        pytest.skip("this napari takes no overlays of others")
    data, options, _ = ct_layer_data(scan)
    layer = model.add_image(data, **options)
    letters = DirectionLetters(model)
    return model, layer, letters


def read(viewer):
    overlays = {side: viewer.canvas.overlays.get(f"patient_{side}") for side in POSITIONS}
    return {side: one.text for side, one in overlays.items() if one is not None and one.visible}


@pytest.mark.parametrize(
    ("codes", "rows_columns", "orientation", "letters"),
    [
        ("IPL", (1, 2), ("down", "right"), "ARLP"),
        ("IPL", (0, 2), ("down", "right"), "SRLI"),
        ("IPL", (0, 1), ("down", "right"), "SAPI"),
        ("IPL", (1, 2), ("up", "right"), "PRLA"),
        ("IPL", (1, 2), ("down", "left"), "ALRP"),
        ("RAS", (1, 0), ("down", "right"), "PLRA"),
    ],
)
def test_a_side_has_the_letter_towards_which_the_picture_goes(codes, rows_columns, orientation, letters):
    assert "".join(side_letters(codes, rows_columns, orientation).values()) == letters  # top, left, right, bottom


def test_the_letters_follow_the_plane_that_is_shown(shown):
    viewer, *_ = shown
    seen = {}
    for plane, order in {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}.items():
        viewer.dims.order = order
        seen[plane] = "".join(read(viewer).values())

    assert seen == {"axial": "ARLP", "coronal": "SRLI", "sagittal": "SAPI"}


def test_they_turn_with_the_camera(shown):
    viewer, *_ = shown
    viewer.scene.camera.orientation2d = ("up", "left")

    assert read(viewer) == {"top": "P", "left": "L", "right": "R", "bottom": "A"}


def test_in_3d_and_without_a_scan_there_are_none(shown):
    viewer, layer, _ = shown
    viewer.dims.ndisplay = 3
    in_space = read(viewer)
    viewer.dims.ndisplay = 2
    back = read(viewer)
    viewer.layers.remove(layer)

    assert (in_space, back, read(viewer)) == ({}, AXIAL, {})


def test_a_layer_with_an_axis_more_moves_the_axes_of_the_scan(shown):
    viewer, *_ = shown
    viewer.add_image(np.zeros((2, 3, 4, 5)))

    assert read(viewer) == AXIAL


def test_a_layer_that_is_turned_in_its_space_gets_none(shown):
    viewer, layer, letters = shown
    layer.rotate = (0, 0, 30)
    letters.show()

    assert read(viewer) == {}


def test_an_array_that_another_reader_turned_gets_the_letters_of_its_own_axes(model, scan):
    turned = AxisMap(order=(2, 1, 0), flips=(False, True, True))
    layer = model.add_image(turned.apply(scan.array))
    record = record_for(scan)
    layer.metadata[METADATA_KEY] = type(record)(scan="case", geometry=scan.geometry.mapped(turned))
    DirectionLetters(model)

    assert scan.geometry.mapped(turned).axis_codes == "LAS"
    assert "".join(read(model).values()) == "PISA"


def test_the_widget_shows_them_with_the_scan(viewer, bundle, fake_run, scan_file):
    widget = SegmentWidget(viewer, run=fake_run)
    viewer.window.add_dock_widget(widget, name="Segment")
    before = read(viewer)
    viewer.open(str(scan_file), plugin=PLUGIN)

    assert (before, read(viewer)) == ({}, AXIAL)


def test_a_napari_without_overlays_of_others_shows_none(model, scan, monkeypatch):
    monkeypatch.setattr(direction_letters, "_overlays", lambda viewer: None)
    data, options, _ = ct_layer_data(scan)
    model.add_image(data, **options)
    DirectionLetters(model)

    assert read(model) == {}
