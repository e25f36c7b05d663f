from __future__ import annotations

from itertools import permutations, product

import nibabel.orientations as nio
import numpy as np
import pytest

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import CANONICAL, AxisMap, Box, Geometry

WORLD_DIRECTIONS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
ORIENTATIONS = ["".join(letters) for axes in permutations(("LR", "PA", "SI")) for letters in product(*axes)]
SHAPE = (4, 5, 6)
SPACING = (5.0, 0.8, 0.7)
ORIGIN = (-120.5, 31.25, 900.0)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

every_orientation = pytest.mark.parametrize("codes", ORIENTATIONS)


def geometry_of(codes: str, rotation: np.ndarray | None = None) -> Geometry:
    """Return a geometry whose axes grow to `codes`, all rotated by `rotation`."""
    directions = np.array([WORLD_DIRECTIONS[letter] for letter in codes], float).T
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if rotation is None else rotation) @ directions * SPACING
    affine[:3, 3] = ORIGIN
    return Geometry(shape=SHAPE, affine=affine)


def rotation_about_x(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def numbered(shape: tuple[int, int, int]) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape)


def world_of_voxels(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the world position of voxel values 0, 1, 2, ... in `array`, shape (N, 3)."""
    index = np.argsort(array, axis=None)
    voxels = np.stack([*np.unravel_index(index, array.shape), np.ones(array.size)])
    return (geometry.affine @ voxels)[:3].T


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@every_orientation
def test_axis_codes_are_those_of_nibabel(codes):
    geometry = geometry_of(codes)

    assert geometry.axis_codes == codes
    assert "".join(nio.aff2axcodes(LPS_TO_RAS @ geometry.affine)) == codes


@every_orientation
def test_canonical_array_is_the_one_nibabel_makes(codes):
    array = numbered(SHAPE)
    transform = nio.ornt_transform(nio.axcodes2ornt(codes), nio.axcodes2ornt(CANONICAL))

    canonical = geometry_of(codes).axis_map_to(CANONICAL).apply(array)

    np.testing.assert_array_equal(canonical, nio.apply_orientation(array, transform))


@every_orientation
def test_canonical_affine_is_the_one_nibabel_makes(codes):
    geometry = geometry_of(codes)
    transform = nio.ornt_transform(nio.axcodes2ornt(codes), nio.axcodes2ornt(CANONICAL))
    expected = LPS_TO_RAS @ geometry.affine @ nio.inv_ornt_aff(transform, SHAPE)

    canonical = geometry.mapped(geometry.axis_map_to())

    np.testing.assert_allclose(LPS_TO_RAS @ canonical.affine, expected, atol=1e-12)
    assert canonical.axis_codes == "IPL"


@every_orientation
def test_the_inverse_map_brings_array_and_geometry_back(codes):
    geometry, array = geometry_of(codes, rotation_about_x(20)), numbered(SHAPE)
    forth = geometry.axis_map_to()

    back = forth.inverse()

    np.testing.assert_array_equal(back.apply(forth.apply(array)), array)
    assert geometry.mapped(forth).mapped(back).is_close(geometry, tolerance_mm=1e-9)


@every_orientation
def test_every_voxel_of_an_oblique_scan_keeps_its_place_in_the_patient(codes):
    geometry, array = geometry_of(codes, rotation_about_x(20)), numbered(SHAPE)
    to_canonical = geometry.axis_map_to()

    mapped = world_of_voxels(to_canonical.apply(array), geometry.mapped(to_canonical))

    np.testing.assert_allclose(mapped, world_of_voxels(array, geometry), atol=1e-9)


@every_orientation
def test_spacing_and_shape_move_with_their_axes(codes):
    geometry = geometry_of(codes)
    axis_of = {
        frozenset(pair): axis for axis, letter in enumerate(codes) for pair in ("LR", "PA", "SI") if letter in pair
    }
    order = [axis_of[frozenset(pair)] for pair in ("SI", "PA", "LR")]

    canonical = geometry.mapped(geometry.axis_map_to())

    assert canonical.shape == tuple(SHAPE[axis] for axis in order)
    assert canonical.spacing == pytest.approx([SPACING[axis] for axis in order])


def test_axis_map_permutes_then_flips():
    array = numbered((1, 2, 3))  # [[[0, 1, 2], [3, 4, 5]]]

    mapped = AxisMap(order=(2, 0, 1), flips=(True, False, False)).apply(array)

    np.testing.assert_array_equal(mapped, [[[2, 5]], [[1, 4]], [[0, 3]]])


def test_index_matrix_leads_from_output_to_input_indices():
    axis_map = AxisMap(order=(2, 0, 1), flips=(True, False, False))

    matrix = axis_map.index_matrix((1, 2, 3))

    np.testing.assert_array_equal(matrix @ [0, 0, 1, 1], [0, 1, 2, 1])


def test_geometry_from_spacing_is_upright():
    geometry = Geometry.from_spacing((10, 20, 30), (3, 2, 1), origin=(5, 6, 7))

    assert geometry.axis_codes == "IPL"
    assert geometry.spacing == (3, 2, 1)
    assert geometry.origin == (5, 6, 7)
    np.testing.assert_array_equal(geometry.affine @ [1, 1, 1, 1], [6, 8, 4, 1])


def test_voxel_volume_of_a_left_handed_grid_is_positive():
    assert geometry_of("SPL").voxel_ml == pytest.approx(5.0 * 0.8 * 0.7 / 1000)
    assert geometry_of("IPL").voxel_ml == pytest.approx(0.0028)


@pytest.mark.parametrize("degrees", [0.0, 12.5, -30.0])
def test_obliqueness_is_the_angle_of_rotation(degrees):
    geometry = geometry_of("RIP", rotation_about_x(degrees))

    assert geometry.obliqueness_deg == pytest.approx(abs(degrees), abs=1e-5)
    assert geometry.axis_codes == "RIP"


def test_cropping_moves_the_origin_to_the_first_voxel_of_the_box():
    geometry = Geometry.from_spacing((10, 20, 30), (3, 2, 1), origin=(5, 6, 7))

    cropped = geometry.cropped(Box(start=(2, 3, 4), stop=(4, 8, 10)))

    assert cropped.shape == (2, 5, 6)
    assert cropped.origin == (9, 12, 1)
    assert cropped.spacing == (3, 2, 1)


def test_cropping_to_a_box_outside_the_array_pads():
    geometry = Geometry.from_spacing((2, 2, 2), (1, 1, 1))

    padded = geometry.cropped(Box(start=(-1, -2, 0), stop=(3, 4, 2)))

    assert padded.shape == (4, 6, 2)
    assert padded.origin == (0, -2, 1)


def test_halving_the_voxels_doubles_the_spacing_and_moves_the_first_center_half_a_voxel():
    geometry = Geometry.from_spacing((4, 6, 8), (1, 1, 1))

    resized = geometry.resized((2, 3, 4))

    assert resized.spacing == (2, 2, 2)
    assert resized.origin == (0.5, 0.5, -0.5)


@pytest.mark.parametrize("shape", [(2, 5, 6), (9, 4, 1), (128, 128, 128)])
def test_resizing_keeps_the_edges_of_the_physical_box(shape):
    geometry = geometry_of("ASR", rotation_about_x(20))

    resized = geometry.resized(shape)

    for corner in product((0, 1), repeat=3):
        here = geometry.affine @ [*(np.array(corner) * SHAPE - 0.5), 1]
        there = resized.affine @ [*(np.array(corner) * shape - 0.5), 1]
        np.testing.assert_allclose(there, here, atol=1e-9)


def test_grids_are_close_when_every_corner_is():
    geometry = Geometry.from_spacing((101, 2, 2), (1, 1, 1))
    stretched = Geometry.from_spacing((101, 2, 2), (1.001, 1, 1))

    assert geometry.is_close(stretched, tolerance_mm=0.11)
    assert not geometry.is_close(stretched, tolerance_mm=0.09)
    assert not geometry.is_close(Geometry.from_spacing((100, 2, 2), (1, 1, 1)), tolerance_mm=1000)


@pytest.mark.parametrize(
    "affine",
    [np.eye(3), np.diag([1.0, 1.0, 0.0, 1.0]), np.diag([1.0, np.nan, 1.0, 1.0]), np.diag([1.0, np.inf, 1.0, 1.0])],
    ids=["3x3", "flat", "nan", "infinite"],
)
def test_an_affine_that_is_no_place_is_refused(affine):
    with pytest.raises(GeometryMismatchError, match="finite, invertible 4x4 matrix in mm"):
        Geometry(shape=SHAPE, affine=affine)


def test_geometry_keeps_its_own_read_only_affine():
    affine = np.eye(4)
    geometry = Geometry(shape=SHAPE, affine=affine)

    affine[0, 0] = 7

    assert geometry.affine[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 0] = 7


def test_box_gives_shape_and_slices():
    array = numbered((3, 4, 5))
    box = Box(start=(1, 0, 2), stop=(3, 1, 4))

    assert box.shape == (2, 1, 2)
    np.testing.assert_array_equal(array[box.slices], [[[22, 23]], [[42, 43]]])
    np.testing.assert_array_equal(array[Box.whole(array.shape).slices], array)


def test_grown_box_stops_at_the_border_of_the_array():
    grown = Box(start=(1, 5, 5), stop=(2, 6, 9)).grown((2, 1, 3), within=(10, 10, 10))

    assert grown == Box(start=(0, 4, 2), stop=(4, 7, 10))


def test_a_box_seen_from_a_point_and_moved_by_it_is_where_it_was():
    box = Box(start=(1, 5, 2), stop=(3, 6, 4))

    assert box.moved_by((10, 20, 30)) == Box(start=(11, 25, 32), stop=(13, 26, 34))
    assert box.seen_from((7, 8, 9)).moved_by((7, 8, 9)) == box


def test_union_of_boxes_holds_both():
    left = Box(start=(0, 5, 2), stop=(3, 6, 4))
    right = Box(start=(1, 1, 9), stop=(2, 2, 10))

    assert left.union(right) == right.union(left) == Box(start=(0, 1, 2), stop=(3, 6, 10))
