from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.io import check_ct, read_volume, subtract_1024
from napari_kidney_seg.io.checks import why_no_ct


def volume_of(low: float, high: float, dtype: type) -> Volume:
    array = np.linspace(low, high, 24).astype(dtype).reshape(2, 3, 4)
    return Volume(array=array, geometry=Geometry.from_spacing((2, 3, 4), (1, 1, 1)))


@pytest.mark.parametrize(
    ("low", "high", "dtype", "code"),
    [
        (0, 4095, np.uint16, "rescale_missing"),
        (24, 2500, np.int16, "rescale_missing"),
        (0, 255, np.uint8, "eight_bit"),
        (0, 1, np.float32, "normalized"),
        (-1, 1, np.float32, "normalized"),
        (-3.2, 9.7, np.float32, "normalized"),
        (0, 3, np.uint8, "looks_like_labels"),
        (7, 7, np.int16, "constant"),
        (0, 1500, np.int16, "not_hounsfield"),
        (31744, 34000, np.uint16, "not_hounsfield"),
    ],
)
def test_what_is_no_ct_is_named(low, high, dtype, code):
    (notice,) = check_ct(volume_of(low, high, dtype))

    assert notice.code == code
    assert why_no_ct(volume_of(low, high, dtype)) == (None if code == "not_hounsfield" else notice)
    assert f"{high:g}" in notice.text


@pytest.mark.parametrize(("low", "high"), [(-1024, 3071), (-185, 265), (-20, 35), (-3024, 1500)])
def test_a_ct_raises_no_suspicion(low, high):
    assert check_ct(volume_of(low, high, np.int16)) == ()


def test_subtracting_1024_is_the_remedy_and_its_note_replaces_the_warning(write_scan):
    array = np.linspace(0, 4000, 24).astype(np.uint16).reshape(2, 3, 4)
    scan = read_volume(write_scan(array, np.eye(4)))

    remedied = subtract_1024(scan)

    assert "Subtract 1024" in scan.notes[0]
    assert (remedied.array.min(), remedied.array.max()) == (-1024, 2976)
    assert remedied.array.dtype == np.int16
    assert remedied.notes == ("1024 was subtracted from every value.",)
    assert check_ct(remedied) == ()


def test_subtracting_from_an_unsigned_array_does_not_wrap():
    assert subtract_1024(volume_of(0, 4095, np.uint16)).array.min() == -1024
