import numpy as np
import pytest
from scipy import ndimage

from napari_kidney_seg.imaging.intensity import GaussianSmooth, Window


def test_a_window_clips_and_maps_its_ends():
    window = Window(low=-200, high=400, to_low=-1, to_high=1)

    result = window(np.array([[[-1000, -200, 100, 400, 3000]]], np.int16), (1, 1, 1))

    np.testing.assert_allclose(result, [[[-1, -1, 0, 1, 1]]], atol=1e-6)
    assert result.dtype == np.float32


@pytest.mark.parametrize(("value", "expected"), [(-1024, -1), (100, 0), (700, 1)])
def test_the_padding_value_follows_the_window(value, expected):
    assert Window(low=-200, high=400, to_low=-1, to_high=1).map_value(value) == pytest.approx(expected)


def test_smoothing_is_in_millimetres_and_keeps_constants():
    array = np.random.default_rng(0).random((6, 8, 8)).astype(np.float32)

    smoothed = GaussianSmooth(sigma_mm=2.0)(array, (4.0, 1.0, 2.0))

    np.testing.assert_allclose(smoothed, ndimage.gaussian_filter(array, (0.5, 2.0, 1.0), mode="nearest"))
    assert GaussianSmooth(sigma_mm=2.0).map_value(-3.0) == -3.0
