import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.imaging.orientation import reorient
from napari_kidney_seg.widgets.sides import is_split, side_numbers


@pytest.fixture
def kidneys() -> LabelVolume:
    """Two kidneys of 16 ml in canonical order, x growing towards the patient's left."""
    array = np.zeros((8, 8, 20), np.uint8)
    array[2:6, 2:6, 2:6] = array[2:6, 2:6, 14:18] = 1
    return LabelVolume(array=array, geometry=Geometry.from_spacing(array.shape, (6.3, 6.3, 6.3)), name="kidneys")


@pytest.mark.parametrize("codes", ["IPL", "SAR", "LPI"])
def test_the_left_kidney_of_the_patient_gets_a_number_of_its_own_in_any_orientation(kidneys, codes):
    numbers = np.where(np.arange(20) >= 10, 4, 1).astype(np.uint8) * kidneys.array
    expected = reorient(LabelVolume(array=numbers % 4 + 3 * (numbers == 4), geometry=kidneys.geometry), codes).array
    turned = reorient(kidneys, codes)

    found = side_numbers(turned.array != 0, turned.geometry)

    np.testing.assert_array_equal(np.where(found == 4, 3, found), expected)


def test_only_numbers_with_a_left_kidney_are_split(kidneys):
    assert not is_split(kidneys.array)
    assert is_split(side_numbers(kidneys.array != 0, kidneys.geometry))
