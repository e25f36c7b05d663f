"""Which bundle a method takes by itself."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.io import models
from napari_kidney_seg.io.models import find_bundle, fitting_bundles, list_bundles
from napari_kidney_seg.training.bundling import write_bundle


def test_a_users_own_bundle_comes_before_the_bundled_one_while_it_fits(saved, method, monkeypatch, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.safetensors").write_bytes(saved.path.read_bytes())
    monkeypatch.setattr(models, "user_models_folder", lambda: own)

    assert find_bundle(method) == own / "mine.safetensors"
    assert own / "mine.safetensors" in list_bundles()
    changed = replace(method, stages=(replace(method.stages[0], window=(16, 16, 16)), *method.stages[1:]))
    assert fitting_bundles(changed) == []


def test_no_bundle_says_where_one_could_be(method, monkeypatch, tmp_path):
    monkeypatch.setattr(models, "user_models_folder", lambda: tmp_path)

    with pytest.raises(BundleError, match=r"No bundle for method 'resunet-2.5d' at preset 'smoke'"):
        find_bundle(method)


def test_own_models_come_the_newest_first_but_unmeasured_ones_after_the_bundled(
    saved, method, weights, monkeypatch, tmp_path
):
    own, package = tmp_path / "own", tmp_path / "package"
    for folder in (own, package):
        folder.mkdir()
    monkeypatch.setattr(models, "user_models_folder", lambda: own)
    monkeypatch.setattr(models, "MODELS_FOLDER", package)
    for age, name in enumerate(("new", "old")):
        (own / f"{name}.safetensors").write_bytes(saved.path.read_bytes())
        os.utime(own / f"{name}.safetensors", (1e9 - age, 1e9 - age))
    (package / "bundled.safetensors").write_bytes(saved.path.read_bytes())
    write_bundle(
        method,
        weights,
        own / "unknown.safetensors",
        {"training_data": "x", "licence": "y", "scores": {"held-out windows": {}}},
    )

    assert [path.stem for path in fitting_bundles(method)] == ["new", "old", "bundled", "unknown"]
