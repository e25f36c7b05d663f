import numpy as np
import pytest

from napari_kidney_seg.core.found import with_found
from napari_kidney_seg.training.augmentation import (
    BrightnessContrastGamma,
    Elastic,
    Flip,
    MissedMasses,
    ScaleShift,
    Zoom,
)

RNG_SEED = 3


def pair(shape=(8, 12, 10)):
    rng = np.random.default_rng(0)
    labels = np.zeros(shape, np.uint8)
    labels[2:5, 3:8, 2:7] = 1
    labels[3:5, 5:7, 4:6] = 2
    return rng.uniform(-1, 1, shape).astype(np.float32), labels


def test_a_certain_flip_mirrors_image_and_labels_together():
    image, labels = pair()

    flipped, mirrored = Flip(axes=(0, 2), probability=1)(image, labels, np.random.default_rng(0))

    np.testing.assert_array_equal(flipped, image[::-1, :, ::-1])
    np.testing.assert_array_equal(mirrored, labels[::-1, :, ::-1])


def test_an_impossible_change_changes_nothing():
    image, labels = pair()
    for change in (Flip(axes=(0,), probability=0), Elastic(probability=0, sigma=(3, 5), magnitude=(100, 200))):
        same, kept = change(image, labels, np.random.default_rng(0))

        np.testing.assert_array_equal(same, image)
        np.testing.assert_array_equal(kept, labels)


def test_elastic_deformation_moves_image_and_labels_alike():
    _, labels = pair((16, 24, 24))
    image = (labels > 0).astype(np.float32)

    moved, deformed = Elastic(probability=1, sigma=(3, 5), magnitude=(100, 200))(
        image, labels, np.random.default_rng(RNG_SEED)
    )

    assert (deformed != labels).any()
    agreement = ((moved > 0.5) == (deformed > 0)).mean()
    assert agreement > 0.98


def test_elastic_deformation_is_the_same_for_the_same_random_stream():
    image, labels = pair()
    change = Elastic(probability=1, sigma=(3, 5), magnitude=(100, 200))

    first = change(image, labels, np.random.default_rng(RNG_SEED))
    second = change(image, labels, np.random.default_rng(RNG_SEED))

    np.testing.assert_array_equal(first[0], second[0])


class Always:
    """A random stream that always changes, by the given factors."""

    def __init__(self, factors):
        self.factors = iter(factors)

    def random(self):
        return 0.0

    def uniform(self, low, high):
        return next(self.factors)


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_a_zoom_moves_image_and_labels_alike_and_shows_air_around(factor):
    labels = np.zeros((2, 40, 60), np.uint8)
    labels[:, 15:25, 25:35] = 1
    image = np.where(labels, 0.5, 0.25).astype(np.float32)
    image[0, 0, 0] = -1.0  # air

    places = set()
    for seed in range(8):
        zoomed, moved = Zoom(factors=(factor, factor))(image, labels, np.random.default_rng(seed))
        assert zoomed.shape == moved.shape == image.shape
        assert moved.sum() == 2 * (10 * factor) ** 2
        assert zoomed[moved > 0].mean() > 0.45
        assert zoomed[moved == 0].mean() < 0.26
        assert np.count_nonzero(zoomed[1] == -1) == (40 * 60 - 20 * 30 if factor < 1 else 0)
        places.add(tuple(np.argwhere(moved)[0]))

    assert len(places) > 4


def test_brightness_contrast_and_gamma_follow_their_formulas():
    image = np.array([[[-1.0, 0.0, 0.2]]], np.float32)  # 0, 0.5, 0.6 in [0, 1]

    changed, _ = BrightnessContrastGamma()(image, np.zeros((1, 1, 3), np.uint8), Always([0.8, 1.5, 2.0]))

    bright = np.array([0, 0.5, 0.6]) * 0.8
    contrasted = bright.mean() + (bright - bright.mean()) * 1.5
    expected = np.clip(contrasted, 0, 1) ** 2 * 2 - 1
    np.testing.assert_allclose(changed[0, 0], expected, atol=1e-6)


def test_a_change_within_lesions_leaves_other_voxels_alone():
    image, labels = pair()

    changed, _ = BrightnessContrastGamma(within=(2, 3))(image, labels, Always([1.2, 1.0, 1.0]))

    np.testing.assert_array_equal(changed[labels != 2], image[labels != 2])
    expected = np.clip((image[labels == 2] + 1) / 2 * 1.2, 0, 1) * 2 - 1
    assert changed[labels == 2] == pytest.approx(expected, abs=1e-5)


def test_a_change_within_lesions_finds_them_also_where_the_ids_say_what_was_found():
    image, labels = pair()
    plain, _ = BrightnessContrastGamma(within=(2, 3))(image, labels, Always([1.2, 1.0, 1.0]))

    changed, ids = BrightnessContrastGamma(within=(2, 3))(image, with_found(labels, labels == 1), Always([1.2, 1, 1]))

    np.testing.assert_array_equal(changed, plain)
    np.testing.assert_array_equal(ids, with_found(labels, labels == 1))


def test_scale_and_shift_are_one_line_through_all_voxels_within_their_ranges():
    image, labels = pair()

    changed, same = ScaleShift(scale=0.1, shift=0.1)(image, labels, np.random.default_rng(RNG_SEED))

    slope, offset = np.polyfit(image.ravel(), changed.ravel(), 1)
    np.testing.assert_allclose(changed, slope * image + offset, atol=1e-5)
    assert 0 < abs(slope - 1) <= 0.1
    assert 0 < abs(offset) <= 0.1 * image.std()
    assert same is labels


class TestMissedMasses:
    """A kidney of three voxels in a row, then a mass of four."""

    LABELS = np.array([0, 1, 1, 1, 2, 2, 3, 2, 0], np.uint8).reshape(1, 1, -1)

    @pytest.mark.parametrize(
        ("depth", "seen"),
        [(0, [0, 1, 1, 1, 0, 0, 0, 0, 0]), (2, [0, 1, 1, 1, 2, 2, 0, 0, 0]), (4, [0, 1, 1, 1, 2, 2, 3, 2, 0])],
    )
    def test_a_mass_is_seen_as_far_from_healthy_kidney_as_the_depth(self, depth, seen):
        missed = MissedMasses(probability=1, depth_voxels=(depth, depth))(self.LABELS, np.random.default_rng(0))

        assert missed.ravel().tolist() == seen
        assert missed.dtype == np.uint8

    def test_a_mass_without_any_healthy_kidney_is_missed_as_a_whole(self):
        labels = np.where(self.LABELS == 1, 0, self.LABELS)

        assert not MissedMasses(probability=1, depth_voxels=(8, 8))(labels, np.random.default_rng(0)).any()

    def test_with_probability_0_nothing_is_missed(self):
        same = MissedMasses(probability=0, depth_voxels=(0, 0))(self.LABELS, np.random.default_rng(0))

        np.testing.assert_array_equal(same, self.LABELS)
