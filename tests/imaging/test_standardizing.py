import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.imaging.standardizing import Standardize, ZScore

SPACING = (1.0, 1.0, 1.0)


def test_a_scan_measured_in_parts_gets_mean_0_and_deviation_1():
    scan = np.random.default_rng(0).normal(60, 90, (10, 8, 8)).astype(np.float32)

    step = ZScore().fitted(ZScore().measure(scan[:3]) + ZScore().measure(scan[3:]))
    result = step(scan, SPACING)

    assert result.dtype == np.float32
    assert result.mean() == pytest.approx(0, abs=1e-5)
    assert result.std() == pytest.approx(1, abs=1e-5)


def test_values_and_padding_follow_the_fitted_numbers():
    step = Standardize(mean=50.0, deviation=100.0)

    np.testing.assert_allclose(step(np.array([[[-100, 50, 400]]], np.float32), SPACING), [[[-1.5, 0, 3.5]]])
    assert step.map_value(-100) == -1.5


def test_a_constant_scan_becomes_zero():
    scan = np.full((2, 3, 4), 7, np.float32)

    assert not ZScore().fitted(ZScore().measure(scan))(scan, SPACING).any()


def test_a_step_without_numbers_refuses_and_says_what_to_do():
    with pytest.raises(KidneySegError, match=r"needed those of a scan. Call fit"):
        ZScore()(np.zeros((1, 1, 1), np.float32), SPACING)
    with pytest.raises(KidneySegError, match="without mean and deviation"):
        ZScore().map_value(0)
