import numpy as np
import pytest

from napari_kidney_seg.evaluation.detection import DetectionCounts, count_matches, overlaps

WANTED = np.array([[0, 0, 10, 10], [20, 20, 30, 40]], float)


def test_the_overlap_is_intersection_over_union():
    found = np.array([[0, 5, 10, 15], [50, 50, 60, 60]], float)

    np.testing.assert_allclose(overlaps(found, WANTED), [[50 / 150, 0], [0, 0]])


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (WANTED, (2, 0, 0)),
        ([[0, 0, 10, 20]], (1, 0, 1)),  # exactly one half
        ([[0, 0, 10, 21]], (0, 1, 2)),
        ([[0, 0, 10, 10], [0, 0, 10, 9]], (1, 1, 1)),  # one kidney found twice
        (np.zeros((0, 4)), (0, 0, 2)),
    ],
)
def test_hits_extra_and_missed_rectangles_are_counted(found, counts):
    result = count_matches(np.asarray(found, float), WANTED)

    assert (result.hits, result.extra, result.missed) == counts


def test_recall_and_precision_are_of_the_summed_counts():
    total = DetectionCounts(hits=3, extra=1) + DetectionCounts(hits=3, extra=5, missed=2)

    assert total.recall == 6 / 8
    assert total.precision == 6 / 12


def test_a_slice_without_kidney_and_without_boxes_is_right():
    counts = count_matches(np.zeros((0, 4)), np.zeros((0, 4)))

    assert (counts.recall, counts.precision) == (1.0, 1.0)
