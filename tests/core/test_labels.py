from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.labels import KITS


def line(*values: int) -> np.ndarray:
    """Return a mask of shape (1, 1, N)."""
    return np.array([[values]], np.uint8)


def test_kits_ids_are_those_of_kits21_and_kits23():
    assert dict(KITS.names) == {1: "kidney", 2: "tumor", 3: "cyst"}
    assert list(KITS.names) == [1, 2, 3]


def test_colors_are_red_green_and_blue_as_in_the_papers():
    strongest = {label.name: int(np.argmax(label.color)) for label in KITS.labels}

    assert strongest == {"kidney": 0, "tumor": 1, "cyst": 2}


def test_colors_of_two_labels_are_far_apart():
    for one, other in combinations(KITS.labels, 2):
        assert np.linalg.norm(np.subtract(one.color, other.color)) > 0.5


def test_composing_lets_tumor_win_over_cyst_and_cyst_over_kidney():
    layers = {
        "tumor": line(0, 0, 0, 1, 1, 0),
        "kidney": line(0, 1, 1, 1, 0, 1),
        "cyst": line(0, 0, 1, 1, 0, 0),
    }

    composed = KITS.compose(layers)

    np.testing.assert_array_equal(composed, line(0, 1, 3, 2, 2, 1))
    assert composed.dtype == np.uint8


def test_composing_takes_any_nonzero_value_for_inside():
    np.testing.assert_array_equal(KITS.compose({"cyst": line(0, 7, 255)}), line(0, 3, 3))


def test_composing_nothing_is_refused():
    with pytest.raises(KidneySegError, match="needed at least one"):
        KITS.compose({})


def test_decomposing_gives_the_kidney_its_masses():
    layers = KITS.decompose(line(0, 1, 2, 3))

    assert list(layers) == ["kidney", "cyst", "tumor"]
    np.testing.assert_array_equal(layers["kidney"], line(0, 1, 1, 1))
    np.testing.assert_array_equal(layers["tumor"], line(0, 0, 1, 0))
    np.testing.assert_array_equal(layers["cyst"], line(0, 0, 0, 1))


def test_composing_what_was_decomposed_gives_every_mask_back():
    mask = np.random.default_rng(0).integers(0, 4, (5, 6, 7)).astype(np.uint8)

    np.testing.assert_array_equal(KITS.compose(KITS.decompose(mask)), mask)


def test_labels_are_found_by_name():
    assert KITS["cyst"].id == 3


def test_an_unknown_label_is_refused_with_the_known_names():
    with pytest.raises(KidneySegError, match=r"no label 'tumour'.*'kidney', 'cyst', 'tumor'"):
        KITS["tumour"]


def test_the_other_labels_are_those_not_named_by_rising_id():
    assert KITS.others(("kidney", "tumor")) == ("cyst",)
    assert KITS.others(()) == ("kidney", "tumor", "cyst")
    assert KITS.others(KITS.names.values()) == ()
