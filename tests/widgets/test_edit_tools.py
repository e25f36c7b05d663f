"""What every tool does to known voxels, on a small scan and on a real one; and that Undo brings every bit back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.imaging.cropping import foreground_box
from napari_kidney_seg.imaging.sides import LEFT, RIGHT, patient_sides
from napari_kidney_seg.io.images import read_labels, read_volume
from napari_kidney_seg.widgets.brush import HU_RANGES, CtBrush
from napari_kidney_seg.widgets.edit_tools import Move, Plane, shown_plane
from napari_kidney_seg.widgets.edited_case import CHOOSE_CLASS, NOTHING_CHANGED, EditedCase
from napari_kidney_seg.widgets.layer_data import LEFT_KIDNEY, ct_layer_data
from napari_kidney_seg.widgets.layers import add_label_layers, compose_layers

MARGIN = (2, 20, 20)  # voxels around the kidneys of the real scan


def shown(model, scan: Volume, mask: LabelVolume) -> EditedCase:
    """Return the case with `scan` and `mask` shown in `model`."""
    data, options, _ = ct_layer_data(scan)
    ct = model.add_image(data, **options)
    add_label_layers(model, mask, ct)
    return EditedCase(model, ct)


@pytest.fixture
def case(model, scan, mask) -> EditedCase:
    return shown(model, scan, mask)


@pytest.fixture(scope="module")
def real(shared_data) -> tuple[Volume, LabelVolume]:
    """A real portal venous CT with two kidneys and two cysts, and its mask, cut to the kidneys."""
    name = "cptac_C3L-00189_pv"
    scan = read_volume(shared_data / "real" / f"{name}.nii.gz")
    mask = read_labels(shared_data / "real" / f"{name}_seg.nii.gz")
    box = foreground_box(mask.array).grown(MARGIN, mask.array.shape)
    return _cut(scan, box), _cut(mask, box)


def _cut(volume, box: Box):
    kind = type(volume)
    return kind(array=volume.array[box.slices].copy(), geometry=volume.geometry.cropped(box), name="real")


@pytest.fixture
def real_case(model, real) -> EditedCase:
    return shown(model, *real)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def cyst_voxel(mask: LabelVolume) -> tuple[int, ...]:
    return tuple(np.argwhere(mask.array == 3)[0])


class TestSmallScan:
    def test_choosing_a_class_selects_its_layer_number_and_brush(self, case, model):
        case.choose("cyst", "paint")

        assert model.layers.selection.active is case.layers["cyst"]
        assert case.layers["cyst"].selected_label == 3
        assert str(case.layers["cyst"].mode) == "paint"
        assert str(case.layers["kidney"].mode) == "pan_zoom"

    def test_a_class_without_a_layer_gets_one_on_the_scan(self, case, model):
        model.layers.remove("cyst")
        case = EditedCase(model, case.ct_layer)

        case.choose("cyst", "paint")

        assert model.layers["cyst"].data.shape == case.ct_layer.data.shape
        np.testing.assert_allclose(model.layers["cyst"].translate, case.ct_layer.translate)
        assert case.active == "cyst"

    def test_a_tool_needs_a_class(self, case, model):
        model.layers.selection.active = case.ct_layer

        assert case.smooth(1.0, in_slice=False) == CHOOSE_CLASS
        assert case.fill(in_slice=False) == CHOOSE_CLASS
        assert case.remove_islands(1.0, in_slice=False) == CHOOSE_CLASS
        assert case.interpolate() == CHOOSE_CLASS

    def test_the_plane_shown_is_found_in_every_view(self, case, model):
        layer = case.layers["kidney"]
        model.dims.set_current_step(0, 7)
        assert shown_plane(model.dims, layer) == Plane(axis=0, index=7)

        model.dims.order = (2, 0, 1)
        model.dims.set_current_step(2, 3)
        assert shown_plane(model.dims, layer) == Plane(axis=2, index=3)

        model.dims.ndisplay = 3
        assert shown_plane(model.dims, layer) is None

    def test_interpolation_fills_the_missing_slices(self, case):
        case.choose("kidney", "paint")
        kidney = case.layers["kidney"]
        whole = kidney.data.copy()
        kidney.data[4:6] = 0

        said = case.interpolate()

        np.testing.assert_array_equal(kidney.data, whole)
        assert said == "Kidney: 0.18 ml added, 0.00 ml removed."  # 50 voxels of 3.6 mm3

    def test_a_hole_is_filled_in_the_slice_shown_alone_when_asked(self, case, model):
        case.choose("kidney", "paint")
        kidney = case.layers["kidney"]
        kidney.data[3:7, 5, 5] = 0  # a tunnel
        model.dims.set_current_step(0, 4)

        assert case.fill(in_slice=False) == NOTHING_CHANGED
        case.fill(in_slice=True)

        assert kidney.data[3:7, 5, 5].tolist() == [0, 1, 0, 0]

    def test_islands_under_the_volume_are_removed(self, case):
        case.choose("kidney", "paint")
        kidney = case.layers["kidney"]
        whole = kidney.data.copy()
        kidney.data[9, 11, 12:14] = 1

        case.remove_islands(0.1, in_slice=False)

        np.testing.assert_array_equal(kidney.data, whole)

    def test_a_clicked_tumor_becomes_a_cyst_and_undo_in_both_layers_brings_it_back(self, case):
        before = {name: layer.data.copy() for name, layer in case.layers.items()}
        position = case.layers["tumor"].data_to_world((4, 4, 4))

        move = case.move_lesion(position)

        assert move == Move(source="tumor", target="cyst", voxels=4, voxel=(4, 4, 4))
        assert not case.layers["tumor"].data.any()
        assert np.count_nonzero(case.layers["cyst"].data == 3) == 6
        assert case.move_lesion(case.layers["tumor"].data_to_world((0, 0, 0))) is None
        assert case.move_lesion((1e6, 0, 0)) is None
        for name in ("tumor", "cyst"):
            case.layers[name].undo()
            np.testing.assert_array_equal(case.layers[name].data, before[name])

    def test_the_left_kidney_is_named_and_the_file_keeps_one_class(self, case, mask):
        kidney = case.layers["kidney"]
        kidney.data[3:7, 3:8, 9:12] = 1

        case.split()

        assert set(np.unique(kidney.data[..., 9:])) == {0, LEFT_KIDNEY}
        assert set(np.unique(kidney.data[..., :9])) == {0, 1}
        assert "class: left kidney" in kidney.get_status(kidney.data_to_world((4, 4, 10)), world=True)["coordinates"]
        saved = compose_layers(list(case.layers.values())).array
        assert set(np.unique(saved)) == {0, 1, 2, 3}
        np.testing.assert_array_equal(saved[..., :9], mask.array[..., :9])


class TestRealScan:
    def test_every_second_slice_is_enough_to_get_the_kidneys_back(self, real_case):
        real_case.choose("kidney", "paint")
        kidney = real_case.layers["kidney"]
        whole = kidney.data != 0
        drawn = np.flatnonzero(whole.any(axis=(1, 2)))
        kidney.data[drawn[1:-1:2]] = 0
        left_out = kidney.data.copy()

        real_case.interpolate()

        assert dice(kidney.data != 0, whole) > 0.95
        np.testing.assert_array_equal(kidney.data[drawn[::2]], left_out[drawn[::2]])
        kidney.undo()
        np.testing.assert_array_equal(kidney.data, left_out)

    def test_smoothing_keeps_the_volume_and_removes_spikes(self, real_case):
        real_case.choose("kidney", "paint")
        kidney = real_case.layers["kidney"]
        volume = np.count_nonzero(kidney.data)
        kidney.data[2, 2, 2] = 1

        real_case.smooth(1.5, in_slice=False)

        assert kidney.data[2, 2, 2] == 0
        assert np.count_nonzero(kidney.data) == pytest.approx(volume, rel=0.05)

    def test_a_gated_brush_paints_only_what_is_as_bright_as_a_cyst(self, real_case, real, model, qtbot):
        scan, mask = real
        real_case.choose("tumor", "paint")
        brush = CtBrush(model)
        brush.hold(real_case.layers.values(), real_case.ct_layer)
        brush.set_radius(15.0)
        brush.hu_range = next(one for one in HU_RANGES if one.name == "Fluid")

        real_case.layers["tumor"].paint(cyst_voxel(mask), 2)

        painted = scan.array[real_case.layers["tumor"].data == 2]
        assert len(painted) > 50
        assert painted.min() >= -25
        assert painted.max() <= 35
        brush.release()

    def test_a_hole_in_a_real_kidney_is_filled(self, real_case):
        real_case.choose("kidney", "paint")
        kidney = real_case.layers["kidney"]
        real_case.fill(in_slice=False)
        whole = kidney.data.copy()
        inside = np.argwhere(whole)[np.count_nonzero(whole) // 2]
        core = tuple(slice(v, v + 1) for v in inside)
        kidney.data[core] = 0

        real_case.fill(in_slice=False)

        np.testing.assert_array_equal(kidney.data[core], whole[core])

    def test_a_real_cyst_moves_whole_and_the_sides_are_the_patients(self, real_case, real):
        _, mask = real
        cysts = np.count_nonzero(real_case.layers["cyst"].data)

        move = real_case.move_lesion(real_case.layers["cyst"].data_to_world(cyst_voxel(mask)))
        real_case.split()

        assert (move.source, move.target) == ("cyst", "tumor")
        assert np.count_nonzero(real_case.layers["tumor"].data == 2) == move.voxels
        assert np.count_nonzero(real_case.layers["cyst"].data) == cysts - move.voxels
        sides = patient_sides(mask.array != 0, mask.geometry)
        np.testing.assert_array_equal(real_case.layers["kidney"].data == LEFT_KIDNEY, sides == LEFT)
        np.testing.assert_array_equal(real_case.layers["kidney"].data == 1, sides == RIGHT)


class Rehearsal:
    """Does random edits and keeps, beside napari, what every Undo and Redo has to bring back."""

    def __init__(self, case: EditedCase, seed: int) -> None:
        self.case, self.rng = case, np.random.default_rng(seed)
        self.undone = {name: [] for name in case.layers}
        self.done = {name: [] for name in case.layers}
        self.steps = 0

    def step(self) -> None:
        name = self.rng.choice(list(self.case.layers))
        kind = self.rng.choice(["paint", "erase", "tool", "undo", "undo", "redo"])
        if kind in ("undo", "redo"):
            self.replay(name, kind)
        else:
            self.edit(name, kind)

    def edit(self, name: str, kind: str) -> None:
        before = {one: layer.data.copy() for one, layer in self.case.layers.items()}
        self.case.choose(name, "pan_zoom")
        if kind == "tool":
            self.tool()
        else:
            self.stroke(self.case.layers[name], 0 if kind == "erase" else self.case.layers[name].selected_label)
        for one, layer in self.case.layers.items():
            if not np.array_equal(before[one], layer.data):
                self.done[one].append(before[one])
                self.undone[one].clear()
                self.steps += 1

    def tool(self) -> None:
        shape = self.case.ct_layer.data.shape
        where = tuple(int(self.rng.integers(0, size)) for size in shape)
        lesions = np.argwhere(self.case.layers["tumor"].data | self.case.layers["cyst"].data)
        lesion = tuple(lesions[self.rng.integers(0, len(lesions))]) if len(lesions) else where
        tools = [
            lambda: self.case.smooth(float(self.rng.uniform(0.5, 3)), in_slice=bool(self.rng.integers(2))),
            lambda: self.case.fill(in_slice=bool(self.rng.integers(2))),
            lambda: self.case.remove_islands(0.05, in_slice=False),
            self.case.interpolate,
            self.case.split,
            lambda: self.case.move_lesion(self.case.layers["tumor"].data_to_world(lesion)),
        ]
        tools[self.rng.integers(len(tools))]()

    def stroke(self, layer, number: int) -> None:
        with layer.block_history():
            for _ in range(3):
                layer.paint(tuple(int(self.rng.integers(0, size)) for size in layer.data.shape), number)

    def replay(self, name: str, kind: str) -> None:
        taken, given = (self.done, self.undone) if kind == "undo" else (self.undone, self.done)
        layer = self.case.layers[name]
        if taken[name]:
            given[name].append(layer.data.copy())
            expected = taken[name].pop()
        else:
            expected = layer.data.copy()
        getattr(layer, kind)()
        np.testing.assert_array_equal(layer.data, expected)


@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_random_edits_and_undos_bring_every_bit_back(case, model, qtbot, seed):
    brush = CtBrush(model)
    brush.hold(case.layers.values(), case.ct_layer)
    brush.set_radius(2.5)
    brush.set_sphere(is_sphere=bool(seed % 2))
    first = {name: layer.data.copy() for name, layer in case.layers.items()}
    rehearsal = Rehearsal(case, seed)

    for _ in range(100):
        rehearsal.step()
    for name, layer in case.layers.items():
        for _ in range(len(rehearsal.done[name])):
            layer.undo()

    assert rehearsal.steps > 20
    for name, layer in case.layers.items():
        np.testing.assert_array_equal(layer.data, first[name])
    brush.release()
