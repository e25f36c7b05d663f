import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.found import with_found
from napari_kidney_seg.training.class_lookup import ClassOfLabel

LABELS = np.array([0, 1, 2, 3], np.uint8)


def test_each_label_has_its_class():
    assert ClassOfLabel((0, 1, 3, 2))(LABELS).tolist() == [0, 1, 3, 2]


def test_what_was_found_and_missed_can_have_classes_of_their_own():
    lookup = ClassOfLabel((0, 1, 1, 1), missed=(0, 0, 0, 0), found=(1, 2, 2, 2))

    assert lookup(LABELS).tolist() == [0, 1, 1, 1]
    assert lookup(with_found(LABELS, [False, False, True, True])).tolist() == [0, 0, 2, 2]
    assert lookup(with_found(LABELS, [True, True, False, False])).tolist() == [1, 2, 0, 0]


def test_a_table_must_know_every_label():
    with pytest.raises(KidneySegError, match="3 label ids; needed 4"):
        ClassOfLabel((0, 1, 2))


def test_without_such_classes_it_does_not_matter_what_was_found():
    assert ClassOfLabel((0, 1, 3, 2))(with_found(LABELS, [True, False, True, False])).tolist() == [0, 1, 3, 2]
