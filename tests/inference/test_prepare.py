import numpy as np

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.intensity import GaussianSmooth, Window
from napari_kidney_seg.imaging.resampling import resize
from napari_kidney_seg.inference.prepare import prepare, prepare_in_slabs
from tests.inference.fakes import ORGAN, oracle_stage

WINDOW = Window(low=-200, high=400, to_low=-1, to_high=1)


def noise_scan(shape=(70, 20, 24)) -> Volume:
    values = np.random.default_rng(1).integers(-1000, 1000, shape).astype(np.int16)
    return Volume(array=values, geometry=Geometry.from_spacing(shape, (3.0, 1.0, 1.0)))


def test_region_is_windowed_on_the_native_grid_and_then_resized():
    scan, box = noise_scan(), Box((3, 4, 2), (68, 18, 22))
    stage = oracle_stage("kidney", ORGAN, grid=WorkingGrid(shape=(None, 8, 32)), intensity=(WINDOW,), window=(4, 8, 8))

    region = prepare(scan, stage, box)

    windowed = (np.clip(scan.array[box.slices].astype(np.float32), -200, 400) + 200) / 300 - 1
    np.testing.assert_allclose(region.array[0], resize(windowed, (65, 8, 32)), atol=1e-5)
    np.testing.assert_allclose(region.spacing, (3.0, 14 / 8, 20 / 32))


def test_short_region_is_padded_at_both_ends_with_what_air_becomes():
    scan = noise_scan((5, 20, 24))
    stage = oracle_stage("kidney", ORGAN, intensity=(WINDOW,), window=(8, 20, 24))

    region = prepare(scan, stage, Box.whole(scan.geometry.shape))

    assert region.array.shape == (1, 8, 20, 24)
    assert region.inner == Box((1, 0, 0), (6, 20, 24))
    np.testing.assert_array_equal(region.array[0, [0, 6, 7]], -1)
    np.testing.assert_allclose(region.array[0, 1:6], WINDOW(scan.array, scan.spacing), atol=1e-6)


def test_region_that_reaches_outside_the_scan_is_padded_after_the_intensity_steps():
    scan = noise_scan()
    steps = (GaussianSmooth(sigma_mm=2.0), WINDOW)
    stage = oracle_stage("kidney", ORGAN, intensity=steps, window=(4, 4, 4))

    region = prepare(scan, stage, Box((-2, 0, 0), (10, 20, 30)))

    np.testing.assert_array_equal(region.array[0, :2], -1)
    np.testing.assert_array_equal(region.array[0, :, :, 24:], -1)
    np.testing.assert_allclose(region.array[0, 2:, :, :24], stage.normalize(scan.array, scan.spacing)[:10], atol=1e-6)


def test_slabs_wholly_outside_the_scan_are_padding():
    scan = noise_scan()
    stage = oracle_stage("kidney", ORGAN, intensity=(GaussianSmooth(sigma_mm=2.0), WINDOW), window=(4, 4, 4))

    region = prepare(scan, stage, Box((-40, 0, 0), (110, 20, 24)))

    np.testing.assert_array_equal(region.array[0, :40], -1)
    np.testing.assert_array_equal(region.array[0, 110:], -1)
    np.testing.assert_allclose(region.array[0, 40:110], stage.normalize(scan.array, scan.spacing), atol=1e-5)


def test_a_region_that_has_the_wanted_spacing_within_one_percent_is_not_resampled():
    scan = noise_scan((70, 120, 120))
    grid = WorkingGrid(spacing=(3.02, 1.008, 0.992))
    stage = oracle_stage("kidney", ORGAN, grid=grid, intensity=(WINDOW,), window=(4, 8, 8))
    box = Box((0, 5, 10), (70, 115, 120))

    region = prepare(scan, stage, box)

    np.testing.assert_array_equal(region.array[0], WINDOW(scan.array[box.slices], scan.spacing))
    assert region.spacing == scan.spacing


def test_spacing_grid_brings_a_region_to_that_spacing():
    scan = noise_scan()
    stage = oracle_stage("kidney", ORGAN, grid=WorkingGrid(spacing=(1.5, None, 2.0)), window=(8, 8, 8))

    region = prepare(scan, stage, Box((0, 0, 0), (10, 20, 24)))

    assert region.array.shape == (1, 20, 20, 12)
    np.testing.assert_allclose(region.spacing, (1.5, 1.0, 2.0))


def test_a_region_prepared_in_slabs_is_that_of_the_scan_smoothed_and_windowed_as_a_whole():
    scan, steps = noise_scan(), (GaussianSmooth(sigma_mm=4.0), WINDOW)
    stage = oracle_stage("kidney", ORGAN, grid=WorkingGrid(shape=(16, 16, 16)), intensity=steps, window=(16, 16, 16))

    region = prepare(scan, stage, Box.whole(scan.geometry.shape))

    expected = resize(stage.normalize(scan.array, scan.spacing), (16, 16, 16))
    np.testing.assert_allclose(region.array[0], expected, atol=1e-5)


def test_long_scans_are_prepared_in_slabs_that_can_be_cancelled_in_between():
    scan = noise_scan()
    stage = oracle_stage("kidney", ORGAN, intensity=(WINDOW,), window=(4, 4, 4))

    assert list(prepare_in_slabs(scan, stage, Box.whole(scan.geometry.shape))) == [16, 32, 48, 64, 70]


def test_a_region_that_is_seen_whole_is_padded_to_multiples_of_the_divisor(scan):
    stage = oracle_stage("kidney", ORGAN, divisor=(8, 8, 16))

    region = prepare(scan, stage, Box((1, 2, 3), (20, 36, 44)))  # 19 x 34 x 41 voxels

    assert region.window == region.array.shape[1:] == (24, 40, 48)
    assert region.inner == Box((2, 3, 3), (21, 37, 44))
    assert region.array[0, 0].max() == stage.pad_value
