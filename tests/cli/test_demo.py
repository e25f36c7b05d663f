"""The demonstration writes what it found, and opens a window only where there is one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.images import read_labels


@pytest.fixture
def small_sample(monkeypatch, bundle, scan, labels):
    """Let the demonstration run the method of oracles on the small scan."""
    reference = LabelVolume(array=labels, geometry=scan.geometry, name="reference")
    monkeypatch.setattr("napari_kidney_seg.cli.demo.sample_scan", lambda: (scan, reference))
    monkeypatch.setattr("napari_kidney_seg.cli.demo.DEFAULT", "oracle")


@pytest.fixture
def windows(monkeypatch):
    """Collect the pictures asked of the windows that would have opened."""
    opened = []
    monkeypatch.setattr("napari_kidney_seg.widgets.demo.open_demo", opened.append)
    return opened


@pytest.fixture
def no_display(monkeypatch):
    monkeypatch.setattr("napari_kidney_seg.cli.demo.has_display", lambda: False)


@pytest.fixture
def display(monkeypatch):
    monkeypatch.setattr("napari_kidney_seg.cli.demo.has_display", lambda: True)


def test_without_a_window_mask_measurements_and_picture_are_written(small_sample, windows, labels, tmp_path, call):
    outcome = call("demo", "--output", tmp_path / "demo", "--no-window")

    assert outcome.code == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "demo" / "sample_seg.nii.gz").array, labels)
    with (tmp_path / "demo" / "sample_measurements.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    records = json.loads((tmp_path / "demo" / "sample_measurements.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in rows] == [record["name"] for record in records]
    assert [record["volume_ml"] for record in records if record["kind"] == "lesion"] == pytest.approx([0.36, 0.36])
    with Image.open(tmp_path / "demo" / "sample.png") as picture:
        assert picture.size[0] > picture.size[1] > 100
    assert "kidney 1.000" in outcome.out
    assert windows == []


def test_without_a_display_files_go_to_the_default_folder(
    small_sample, windows, no_display, tmp_path, monkeypatch, call
):
    monkeypatch.chdir(tmp_path)

    call("demo")

    assert Path("demo_output/sample_seg.nii.gz").is_file()
    assert windows == []


def test_with_a_display_the_window_opens_and_no_file_is_written(
    small_sample, windows, display, tmp_path, monkeypatch, call
):
    monkeypatch.chdir(tmp_path)

    call("demo")

    assert windows == [None]
    assert not Path("demo_output").exists()


def test_with_a_display_and_an_output_the_window_is_photographed(small_sample, windows, display, tmp_path, call):
    call("demo", "--output", tmp_path / "demo")

    assert windows == [tmp_path / "demo" / "window.png"]
    assert (tmp_path / "demo" / "sample.png").is_file()
