from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg._sample_data import sample_ct, sample_ct_with_reference
from napari_kidney_seg.phantom import render


@pytest.fixture(scope="module")
def phantom():
    return render.sample_scan()


@pytest.fixture(autouse=True)
def rendered_once(phantom, monkeypatch):
    monkeypatch.setattr(render, "sample_scan", lambda: phantom)


def test_the_sample_is_a_ct_in_millimeters():
    ((data, options, kind),) = sample_ct()

    assert kind == "image"
    assert options["units"] == ("mm", "mm", "mm")
    assert data.min() < -900 < 300 < data.max()  # HU of air and bone


def test_the_reference_lies_on_the_sample_and_holds_every_class():
    (ct, ct_options, _), *masks = sample_ct_with_reference()

    assert [options["name"] for _, options, _ in masks] == ["kidney", "cyst", "tumor"]
    for data, options, _ in masks:
        assert data.shape == ct.shape
        assert options["translate"] == ct_options["translate"]
        assert np.any(data)


def test_the_kidneys_of_the_sample_are_enhanced_and_of_human_size():
    (ct, options, _), (kidney, _, _), *_ = sample_ct_with_reference()

    assert 60 < np.median(ct[kidney > 0]) < 300
    assert 150 < np.count_nonzero(kidney) * np.prod(options["scale"]) / 1000 < 1500  # ml
