import numpy as np
import pytest

from napari_kidney_seg.phantom.scanner import Scanner, acquire, apply_slice_profile, correlated_noise
from napari_kidney_seg.phantom.scene import Grid

GRID = Grid.around((0.0, 0.0, 0.0), (60.0, 60.0, 60.0), (3.0, 1.5, 1.5))
BODY = np.full(GRID.shape[1:], 50, np.float32)


def scan(canvas, scanner, seed=0):
    return acquire(canvas, GRID, GRID, BODY, scanner, np.random.default_rng(seed))


def test_a_quiet_scanner_returns_an_even_body():
    canvas = np.full(GRID.shape, 40, np.float32)

    result = scan(canvas, Scanner(slice_thickness_mm=3.0, blur_mm=0.6, noise_hu=0.0))

    assert result.dtype == np.int16
    assert (result == 40).all()


def test_an_offset_is_added_to_every_voxel():
    canvas = np.full(GRID.shape, 40, np.float32)

    result = scan(canvas, Scanner(slice_thickness_mm=3.0, blur_mm=0.6, noise_hu=0.0, offset_hu=-12.0))

    assert (result == 28).all()


def test_values_stay_within_what_a_scanner_stores():
    canvas = np.full(GRID.shape, 9000, np.float32)
    canvas[:, :20] = -9000

    result = scan(canvas, Scanner(slice_thickness_mm=3.0, blur_mm=0.3, noise_hu=0.0))

    assert (result.min(), result.max()) == (-1024, 3071)


def test_thick_slices_average_thin_ones():
    fine, coarse = GRID.refined(2), GRID
    canvas = np.arange(fine.shape[0], dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)

    result = apply_slice_profile(canvas, fine, coarse, thickness_mm=3.0)

    assert result[:, 0, 0] == pytest.approx(np.arange(coarse.shape[0]) * 2 + 0.5)


def test_a_slice_thicker_than_the_spacing_blurs_along_the_body():
    canvas = np.zeros(GRID.shape, np.float32)
    canvas[10] = 90

    result = apply_slice_profile(canvas, GRID, GRID, thickness_mm=9.0)

    assert result[8:13, 0, 0] == pytest.approx([0, 30, 30, 30, 0])


def test_noise_has_the_strength_asked_for():
    canvas = np.full(GRID.shape, 40, np.float32)

    result = scan(canvas, Scanner(slice_thickness_mm=3.0, blur_mm=0.5, noise_hu=20.0))

    assert result.std() == pytest.approx(20 * (0.45 + 0.9 * 50 / 60), rel=0.05)
    assert result.mean() == pytest.approx(40, abs=1)


def test_noise_has_unit_variance_and_a_grain():
    noise = correlated_noise(GRID, 0.2, np.random.default_rng(0))

    neighbors = (noise[:, :, 1:] * noise[:, :, :-1]).mean()
    assert noise.std() == pytest.approx(1, abs=1e-3)
    assert 0.2 < neighbors < 0.95


def test_metal_throws_streaks_only_near_its_slice():
    canvas = np.full(GRID.shape, 40, np.float32)

    result = scan(canvas, Scanner(slice_thickness_mm=3.0, blur_mm=0.5, noise_hu=0.0, metal=(0.0, 0.0, 0.0)))

    assert np.ptp(result[10]) > 1000
    assert np.ptp(result[0]) == 0


def test_outside_the_reconstruction_circle_there_is_nothing():
    canvas = np.full(GRID.shape, 40, np.float32)

    result = scan(canvas, Scanner(slice_thickness_mm=3.0, blur_mm=0.5, noise_hu=0.0, circle_radius_mm=20.0))

    assert result[5, 0, 0] == -1024
    assert result[5, 20, 20] == 40
