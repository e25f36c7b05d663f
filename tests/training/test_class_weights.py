import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.class_weights import class_counts, root_inverse_frequency, weights_from

MASSES = get_method("masses-net", "smoke").stage("masses")


def test_the_frequencies_of_300_kits_cases_give_the_default_weights():
    assert weights_from(np.array([962_800, 35_200, 2_000])) == pytest.approx((1.0, 5.23, 10.0), abs=0.01)


def test_a_class_that_never_occurs_gets_the_cap():
    assert weights_from(np.array([400, 100, 0])) == (1.0, 2.0, 10.0)


def test_voxels_are_counted_in_the_box_around_the_kidneys(case):
    (region,) = MASSES.recipe.sampler.regions(case, MASSES)
    inside = case.labels[region.clipped(Box.whole(case.labels.shape)).slices]

    tumor, cyst = np.count_nonzero(case.labels == 2), np.count_nonzero(case.labels == 3)

    assert class_counts(case, MASSES).tolist() == [inside.size - tumor - cyst, tumor, cyst]


def test_the_weights_of_a_data_set_are_those_of_its_cases_together(dataset):
    counts = sum(class_counts(dataset.load(index), MASSES) for index in range(len(dataset)))

    assert root_inverse_frequency(dataset, MASSES) == weights_from(counts)
