"""Volumes, diameters, places and sides equal what a ruler on the voxels gives."""

from __future__ import annotations

import csv
from math import hypot, sqrt

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.imaging.measurements import longest_axial_diameter, measure, write_measurements_csv

SPACING = (5.0, 1.0, 1.0)
GEOMETRY = Geometry.from_spacing((20, 60, 100), SPACING, origin=(-50.0, 10.0, 95.0))


def labels(*boxes):
    array = np.zeros(GEOMETRY.shape, np.uint8)
    for identity, where in boxes:
        array[where] = identity
    return LabelVolume(array=array, geometry=GEOMETRY)


RIGHT_KIDNEY = (1, np.s_[5:15, 20:40, 10:30])  # 10 x 20 x 20 voxels of 5 ul: 20 ml
LEFT_KIDNEY = (1, np.s_[5:15, 20:40, 60:90])  # 30 ml
TUMOR = (2, np.s_[8:10, 25:35, 65:75])  # 1 ml, in the left kidney
CYST = (3, np.s_[6:7, 22:26, 12:15])  # 0.06 ml, in the right kidney


def only(measurements, **wanted):
    found = [one for one in measurements if all(getattr(one, key) == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def measured():
    return measure(labels(RIGHT_KIDNEY, LEFT_KIDNEY, TUMOR, CYST))


@pytest.mark.parametrize(("name", "volume_ml"), [("kidney", 50 - 1 - 0.06), ("tumor", 1.0), ("cyst", 0.06)])
def test_a_class_has_the_volume_of_its_voxels(measured, name, volume_ml):
    assert only(measured, kind="class", name=name).volume_ml == pytest.approx(volume_ml)


@pytest.mark.parametrize(("side", "volume_ml"), [("right", 20.0), ("left", 30.0)])
def test_each_kidney_is_measured_with_its_masses(measured, side, volume_ml):
    assert only(measured, kind="organ", side=side).volume_ml == pytest.approx(volume_ml)


def test_lesions_lie_on_the_side_of_their_kidney(measured):
    lesions = {one.name: one.side for one in measured if one.kind == "lesion"}

    assert lesions == {"tumor": "left", "cyst": "right"}


def test_a_lesion_has_its_centroid_in_world_coordinates(measured):
    # Mean index (8.5, 29.5, 69.5); in an I-P-L scan x = -50 + 69.5, y = 10 + 29.5, z = 95 - 8.5 * 5.
    assert only(measured, kind="lesion", name="tumor").centroid == pytest.approx((19.5, 39.5, 52.5))


def test_the_longest_axial_diameter_runs_between_pixel_sides(measured):
    # 10 x 10 pixels of 1 mm: from a side's middle to the opposite one, 10 mm one way and 9 mm the other.
    assert only(measured, kind="lesion", name="tumor").longest_axial_mm == pytest.approx(hypot(10, 9))


def test_a_single_voxel_is_as_long_as_its_pixel():
    geometry = Geometry.from_spacing((3, 3, 3), (5.0, 0.8, 0.8))

    assert longest_axial_diameter(np.array([[1, 1, 1]]), geometry) == pytest.approx(0.8)


def test_a_disk_has_the_diameter_it_was_drawn_with():
    y, x = np.mgrid[:101, :101]
    disk = (y - 50) ** 2 + (x - 50) ** 2 <= 40**2
    voxels = np.argwhere(disk[np.newaxis])

    diameter = longest_axial_diameter(voxels, Geometry.from_spacing((1, 101, 101), (3.0, 0.5, 0.5)))

    assert diameter == pytest.approx(0.5 * 81, abs=0.5)


def test_the_diameter_does_not_run_across_slices():
    voxels = np.array([[0, 0, 0], [1, 50, 50]])

    assert longest_axial_diameter(voxels, GEOMETRY) == pytest.approx(1.0)


def test_lesions_are_numbered_by_falling_volume():
    measured = measure(labels(LEFT_KIDNEY, (2, np.s_[6, 22:24, 62:64]), (2, np.s_[10, 25:35, 70:80])))

    lesions = [(one.index, round(one.volume_ml, 3)) for one in measured if one.kind == "lesion"]
    assert lesions == [(1, 0.5), (2, 0.02)]


def test_two_kidneys_are_parted_halfway_between_them_even_off_center():
    measured = measure(labels((1, np.s_[5:15, 20:40, 55:70]), (1, np.s_[5:15, 20:40, 80:95])))

    assert [one.side for one in measured if one.kind == "organ"] == ["left", "right"]


def test_a_small_fragment_does_not_move_the_midline():
    measured = measure(labels(LEFT_KIDNEY, (1, np.s_[1:2, 1:5, 95:99])))

    assert [one.side for one in measured if one.kind == "organ"] == ["left"]
    assert only(measured, kind="organ").volume_ml == pytest.approx(30.08)


def test_a_horseshoe_kidney_lies_on_the_midline():
    measured = measure(labels((1, np.s_[5:15, 20:40, 20:80])))

    assert only(measured, kind="organ").side == "midline"


def test_an_oblique_scan_gives_the_same_volumes_and_sides(measured):
    turn = np.eye(4)
    turn[:2, :2] = [[sqrt(0.75), -0.5], [0.5, sqrt(0.75)]]  # 30 degrees about the patient's long axis
    volume = labels(RIGHT_KIDNEY, LEFT_KIDNEY, TUMOR, CYST)
    oblique = LabelVolume(array=volume.array, geometry=Geometry(shape=GEOMETRY.shape, affine=turn @ GEOMETRY.affine))

    found = measure(oblique)

    assert [(one.name, one.side) for one in found] == [(one.name, one.side) for one in measured]
    assert [one.volume_ml for one in found] == pytest.approx([one.volume_ml for one in measured])
    assert found[-1].longest_axial_mm == pytest.approx(measured[-1].longest_axial_mm)


def test_an_empty_mask_has_no_kidneys_and_classes_of_zero():
    assert [(one.kind, one.volume_ml) for one in measure(labels())] == [("class", 0.0)] * 3


def test_the_csv_has_one_row_per_measurement(tmp_path, measured):
    write_measurements_csv(measured, tmp_path / "measurements.csv")

    with (tmp_path / "measurements.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["kidney", "tumor", "cyst", "kidney", "kidney", "tumor", "cyst"]
    assert rows[0]["centroid_x_mm"] == ""
    tumor = rows[-2]
    assert tumor["side"] == "left"
    assert (float(tumor["volume_ml"]), float(tumor["centroid_z_mm"])) == pytest.approx((1.0, 52.5))
