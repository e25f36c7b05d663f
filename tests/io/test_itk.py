from __future__ import annotations

import gzip

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_kidney_seg.core.errors import UnreadableImageError, UnwritableImageError
from napari_kidney_seg.io import read_volume, restore
from napari_kidney_seg.io.itk import write_itk

SHAPE = (4, 5, 6)
HU = (np.arange(120).reshape(SHAPE) * 10 - 1000).astype(np.int16)
VOXELS = HU.tobytes(order="F")
NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "4 5 6",
    "space directions": "(0.7,0,0) (0,0.8,0) (0,0,2.5)",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(1,2,3)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "1 2 3",
    "ElementSpacing": "0.7 0.8 2.5",
    "DimSize": "4 5 6",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}


@pytest.fixture
def write_nrrd(tmp_path):
    def write(content=VOXELS, name="scan.nrrd", **changed):
        fields = NRRD | {key.replace("_", " "): value for key, value in changed.items()}
        lines = [f"{key}: {value}" for key, value in fields.items() if value is not None]
        (tmp_path / name).write_bytes("\n".join(["NRRD0004", *lines, "", ""]).encode() + content)
        return tmp_path / name

    return write


@pytest.fixture
def write_meta(tmp_path):
    def write(content=VOXELS, name="scan.mha", **changed):
        fields = {key: value for key, value in (META | changed).items() if value is not None}
        fields["ElementDataFile"] = fields.pop("ElementDataFile")  # must come last
        text = "".join(f"{key} = {value}\n" for key, value in fields.items())
        (tmp_path / name).write_bytes(text.encode() + content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("fixture", ["write_nrrd", "write_meta"])
def test_voxels_and_place_are_those_of_the_file(request, fixture):
    volume = read_volume(request.getfixturevalue(fixture)())

    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert volume.notes == ()
    np.testing.assert_array_equal(restore(volume.array, volume.source), HU)
    np.testing.assert_allclose(volume.source.geometry.affine[:3, 3], (1, 2, 3))


def test_gzip_text_and_detached_voxels_are_read(write_nrrd, write_meta, tmp_path):
    (tmp_path / "voxels.raw").write_bytes(HU.tobytes(order="F"))
    text = " ".join(str(value) for value in HU.ravel(order="F")).encode()
    paths = [
        write_nrrd(gzip.compress(HU.tobytes(order="F")), "a.nrrd", encoding="gzip"),
        write_nrrd(text, "b.nrrd", encoding="ascii"),
        write_nrrd(b"", "c.nhdr", data_file="voxels.raw"),
        write_meta(b"", "d.mhd", ElementDataFile="voxels.raw"),
    ]

    for path in paths:
        volume = read_volume(path)
        np.testing.assert_array_equal(restore(volume.array, volume.source), HU)


def test_a_nrrd_in_ras_is_turned_to_lps(write_nrrd):
    volume = read_volume(write_nrrd(space="right-anterior-superior"))

    np.testing.assert_allclose(volume.source.geometry.affine[:3, 3], (-1, -2, 3))
    assert volume.source.geometry.axis_codes == "RAS"


@pytest.mark.parametrize("unit", ['"m" "m" "m"', '"um" "um" "um"'])
def test_units_other_than_mm_are_converted(write_nrrd, write_meta, unit):
    mm = {'"m" "m" "m"': 1000.0, '"um" "um" "um"': 0.001}[unit]
    spacing = np.array((0.7, 0.8, 2.5)) / mm
    directions = " ".join(f"({','.join(map(str, row))})" for row in np.diag(spacing))

    nrrd = read_volume(write_nrrd(space_directions=directions, space_units=unit))
    meta = read_volume(write_meta(ElementSpacing=" ".join(map(str, spacing)), DistanceUnits=unit[1:-1].split('"')[0]))

    assert nrrd.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert meta.spacing == pytest.approx((2.5, 0.8, 0.7))


def test_a_missing_orientation_is_noted(write_nrrd, write_meta):
    nrrd = read_volume(write_nrrd(space=None, space_directions=None, space_origin=None, spacings="0.7 0.8 2.5"))
    meta = read_volume(write_meta(TransformMatrix=None))

    for volume in (nrrd, meta):
        assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))
        assert "does not say how the patient lies" in volume.notes[0]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"space_directions": None, "space": None, "space_origin": None}, "no usable spacing"),
        ({"space_directions": "(0,0,0) (0,0.8,0) (0,0,2.5)"}, "no usable spacing"),
        ({"space_directions": "(nan,0,0) (0,0.8,0) (0,0,2.5)"}, "no usable spacing"),
        ({"space_directions": "(x,0,0) (0,0.8,0) (0,0,2.5)"}, "needed three vectors"),
        ({"space_directions": "(0.7,0,0) (0.7,0.1,0) (0,0,2.5)"}, "away from right angles"),
        ({"sizes": "3 4 5 6", "dimension": "4", "kinds": "vector domain domain domain"}, "one number per voxel"),
        ({"sizes": "20 6", "dimension": "2"}, "20 x 6 voxels; needed a 3D scan"),
        ({"sizes": "400000 500000 600000"}, "needed at most"),
        ({"sizes": "40 50 60"}, "its header announces 240000"),
        ({"type": "block"}, "'type': 'block'"),
        ({"space_origin": "(1,2,nan)"}, "its space origin is"),
        ({"data_file": "absent.raw"}, "needed one file of that name"),
        ({"space_units": '"mm" "m" "mm"'}, "unit of length"),
    ],
)
def test_a_nrrd_header_that_cannot_be_trusted_is_refused(write_nrrd, changed, words):
    with pytest.raises(UnreadableImageError, match=words):
        read_volume(write_nrrd(**changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ElementSpacing": None}, "no usable spacing"),
        ({"TransformMatrix": "1 0 0 0 1 inf 0 0 1"}, "its transformmatrix is"),
        ({"Offset": "1 2 1e308"}, "its offset is"),
        ({"ElementSpacing": "0.7 0 2.5"}, "no usable spacing"),
        ({"ElementNumberOfChannels": "3"}, "3 values per voxel"),
        ({"NDims": "4", "DimSize": "4 5 6 7"}, "one number per voxel"),
        ({"NDims": "2", "DimSize": "20 6"}, "needed a 3D scan"),
        ({"DimSize": "40 50 60"}, "its header announces 240000"),
        ({"DimSize": "x"}, "its DimSize is 'x'"),
        ({"ElementType": "MET_STRING"}, "MET_STRING"),
        ({"HeaderSize": "99999"}, "headersize is 99999"),
        ({"ElementDataFile": "LIST"}, "needed one file"),
    ],
)
def test_a_metaimage_header_that_cannot_be_trusted_is_refused(write_meta, changed, words):
    with pytest.raises(UnreadableImageError, match=words):
        read_volume(write_meta(**changed))


def test_a_color_picture_is_refused(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((6, 5, 4, 3), np.uint8), isVector=True)
    for name in ("color.nrrd", "color.mha"):
        sitk.WriteImage(image, str(tmp_path / name))
        with pytest.raises(UnreadableImageError, match="one number per voxel"):
            read_volume(tmp_path / name)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, write_meta):
    geometry = read_volume(write_meta()).source.geometry

    with pytest.raises(UnwritableImageError, match="Check the free space and the rights"):
        write_itk(tmp_path / "absent" / "mask.nrrd", np.zeros(SHAPE, np.uint8), geometry)
