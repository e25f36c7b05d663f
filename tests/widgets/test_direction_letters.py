import gc
from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import AxisMap
from napari_kidney_seg.widgets import direction_letters
from napari_kidney_seg.widgets.direction_letters import POSITIONS, show_directions, side_letters
from napari_kidney_seg.widgets.layer_data import METADATA_KEY, ct_layer_data, record_for
from napari_kidney_seg.widgets.segment import SegmentWidget

PLUGIN = "napari-kidney-seg"
AXIAL = {"top": "A", "left": "R", "right": "L", "bottom": "P"}


@pytest.fixture(autouse=True)
def needs_overlays(model):
    if direction_letters._overlays(model) is None:
        pytest.skip("this napari takes no overlays of others")


@pytest.fixture
def ct(model, scan):
    """A CT in a viewer that shows the letters."""
    data, options, _ = ct_layer_data(scan)
    layer = model.add_image(data, **options)
    show_directions(model)
    return layer


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


def test_the_letters_follow_the_plane_that_is_shown(model, ct):
    seen = {}
    for plane, order in {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}.items():
        model.dims.order = order
        seen[plane] = "".join(read(model).values())

    assert seen == {"axial": "ARLP", "coronal": "SRLI", "sagittal": "SAPI"}


def test_they_turn_with_the_camera(model, ct):
    model.scene.camera.orientation2d = ("up", "left")

    assert read(model) == {"top": "P", "left": "L", "right": "R", "bottom": "A"}


def test_in_3d_and_without_a_scan_there_are_none(model, ct):
    model.dims.ndisplay = 3
    in_space = read(model)
    model.dims.ndisplay = 2
    back = read(model)
    model.layers.remove(ct)

    assert (in_space, back, read(model)) == ({}, AXIAL, {})


def test_a_mask_with_an_axis_more_moves_the_axes_of_the_scan(model, ct):
    model.add_labels(np.zeros((2, 3, 4, 5), np.uint8))

    assert read(model) == AXIAL


@pytest.mark.parametrize(
    "change",
    [
        {"rotate": (0, 0, 30)},
        {"shear": (0, 0.2, 0)},
        {"scale": (3, 1, -1)},
        {"affine": np.diag([1.0, 1.0, -1.0, 1.0])},
        {"visible": False},
        {"opacity": 0.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_layer_that_is_turned_or_not_seen_gets_none(model, ct, change):
    for name, value in change.items():
        setattr(ct, name, value)

    assert read(model) == {}


def test_the_topmost_image_that_is_seen_decides(model, ct, scan):
    turned = AxisMap(order=(0, 1, 2), flips=(False, False, True))
    upper = model.add_image(turned.apply(scan.array))
    unknown = read(model)
    upper.metadata[METADATA_KEY] = record_for(replace(scan, geometry=scan.geometry.mapped(turned)))
    show_directions(model)
    mirrored = read(model)
    upper.visible = False

    assert (unknown, mirrored) == ({}, {"top": "A", "left": "L", "right": "R", "bottom": "P"})
    assert read(model) == AXIAL


def test_directions_that_are_only_assumed_are_not_asserted(model, ct):
    ct.metadata[METADATA_KEY] = replace(ct.metadata[METADATA_KEY], is_assumed=True)
    show_directions(model)

    assert read(model) == {}


def test_a_mask_alone_says_where_it_lies(model, ct, mask):
    model.add_labels(mask.array, metadata=dict(ct.metadata))
    model.layers.remove(ct)

    assert read(model) == AXIAL


def test_a_scan_that_another_reader_opened_without_directions_gets_none(viewer, bundle, fake_run, scan):
    viewer.window.add_dock_widget(SegmentWidget(viewer, run=fake_run), name="Segment")
    viewer.add_image(scan.array, scale=(5.0, 0.8, 0.9))

    assert read(viewer) == {}


def test_they_stay_right_when_the_widget_is_closed(viewer, bundle, fake_run, scan_file):
    dock = viewer.window.add_dock_widget(SegmentWidget(viewer, run=fake_run), name="Segment")
    before = read(viewer)
    viewer.open(str(scan_file), plugin=PLUGIN)
    opened = read(viewer)
    viewer.window.remove_dock_widget(dock)
    del dock
    gc.collect()
    viewer.dims.order = (1, 0, 2)

    assert (before, opened) == ({}, AXIAL)
    assert "".join(read(viewer).values()) == "SRLI"


def test_a_viewer_has_them_once(model, ct, monkeypatch):
    def refuse(viewer):
        raise AssertionError("made a second time")

    monkeypatch.setattr(direction_letters, "DirectionLetters", refuse)

    show_directions(model)


def test_a_napari_without_overlays_of_others_shows_none(model, scan, monkeypatch):
    monkeypatch.setattr(direction_letters, "_overlays", lambda viewer: None)
    data, options, _ = ct_layer_data(scan)
    model.add_image(data, **options)
    show_directions(model)

    assert read(model) == {}
