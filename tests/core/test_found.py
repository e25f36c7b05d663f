import numpy as np

from napari_kidney_seg.core.found import is_known, label_of, with_found

LABELS = np.array([[[0, 1, 2, 3]]], np.uint8)


def test_ids_say_what_was_found_and_keep_the_label():
    ids = with_found(LABELS, np.array([[[1, 0, 0, 1]]]))

    assert ids.tolist() == [[[8, 5, 6, 11]]]
    assert label_of(ids).tolist() == LABELS.tolist()


def test_only_ids_that_say_so_are_known():
    assert is_known(with_found(LABELS, LABELS * 0))
    assert not is_known(LABELS)
    assert not is_known(LABELS[:0])
