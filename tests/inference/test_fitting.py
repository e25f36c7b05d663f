import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.intensity import GaussianSmooth, Window
from napari_kidney_seg.imaging.standardizing import ZScore
from napari_kidney_seg.inference.fitting import fit, fit_in_slabs
from napari_kidney_seg.inference.prepare import normalized, prepare
from tests.inference.fakes import ORGAN, finished, method_of, oracle_stage, organ_only, segment

CLIP = Window(low=-100, high=400, to_low=-100, to_high=400)
STEPS = (GaussianSmooth(sigma_mm=1.0), CLIP, ZScore())


def noise_scan(shape=(70, 20, 24)):
    values = np.random.default_rng(1).integers(-1000, 1000, shape).astype(np.int16)
    return Volume(array=values, geometry=Geometry.from_spacing(shape, (0.8, 1.0, 1.0)))


def stage_of(*steps, window=(8, 8, 8)):
    return oracle_stage("kidney", ORGAN, intensity=steps, window=window)


def z_scored(scan):
    clipped = CLIP(STEPS[0](scan.array.astype(np.float32), scan.spacing), scan.spacing).astype(np.float64)
    return (clipped - clipped.mean()) / clipped.std(), (-100 - clipped.mean()) / clipped.std()


def test_a_crop_of_the_fitted_stage_is_the_crop_of_the_whole_scan_filtered_clipped_and_scored():
    scan, box = noise_scan(), Box((5, 3, 4), (40, 18, 20))

    crop = normalized(scan, fit(stage_of(*STEPS), scan), box)

    np.testing.assert_allclose(crop, z_scored(scan)[0][box.slices], atol=1e-4)


def test_padding_is_what_air_becomes_under_the_scans_own_numbers():
    scan = noise_scan()

    region = prepare(scan, fit(stage_of(*STEPS), scan), Box((-4, 0, 0), (8, 20, 24)))

    np.testing.assert_allclose(region.array[0, :4], z_scored(scan)[1], atol=1e-5)


def test_a_stage_without_such_steps_stays_as_it_is():
    stage = stage_of(CLIP)

    assert fit(stage, noise_scan()).intensity == (CLIP,)


def test_a_long_scan_is_measured_in_slabs_that_can_be_cancelled_in_between():
    assert finished(fit_in_slabs(stage_of(*STEPS), noise_scan()))[0] == [16, 32, 48, 64, 70]


@pytest.mark.parametrize("offset", [0, 100])
def test_a_run_scores_the_scan_by_its_own_numbers(offset):
    shape = (8, 16, 16)
    values = np.full(shape, offset, np.int16)
    values[2:6, 4:12, 4:12] += 200
    scan = Volume(array=values, geometry=Geometry.from_spacing(shape, (2.0, 2.0, 2.0)))
    low, high = np.unique(fit(stage_of(CLIP, ZScore()), scan).normalize(values, scan.spacing))
    stage = oracle_stage(
        "kidney", {"background": float(low), "kidney": float(high)}, intensity=(CLIP, ZScore()), window=(8, 8, 8)
    )

    found = segment(scan, method_of(stage, fuse=organ_only)).labels.array

    np.testing.assert_array_equal(found, values > offset)
