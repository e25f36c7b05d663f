from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtWidgets import QInputDialog, QWidget

from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.io.checks import why_no_ct
from napari_kidney_seg.widgets import opening
from napari_kidney_seg.widgets.layer_data import ct_layer_data
from napari_kidney_seg.widgets.opening import open_dicom_folder, open_sample, repair_rescale

FOLDER = Path("patient")


@pytest.fixture
def parent(qtbot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def two_series(monkeypatch, scan):
    """A folder with two series; returns the list of those that were read."""
    read = []
    found = [SimpleNamespace(title="Venous (CT, 300)", uid="1.2"), SimpleNamespace(title="Native (CT, 90)", uid="1.3")]
    monkeypatch.setattr("napari_kidney_seg.io.dicom.list_series", lambda _folder: found)
    monkeypatch.setattr(
        "napari_kidney_seg.io.images.read_volume", lambda _folder, series=None: read.append(series) or scan
    )
    return read


def test_of_several_series_the_picked_one_is_opened(model, parent, two_series, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getItem", lambda *args: (args[3][1], True))

    open_dicom_folder(model, FOLDER, parent)

    assert two_series == ["1.3"]
    assert [layer.name for layer in model.layers] == ["case"]


def test_nothing_is_opened_when_no_series_is_picked(model, parent, two_series, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getItem", lambda *args: (args[3][0], False))

    open_dicom_folder(model, FOLDER, parent)

    assert two_series == []
    assert len(model.layers) == 0


def test_the_sample_is_rendered_beside_the_window(model, qtbot, monkeypatch, scan):
    monkeypatch.setattr(opening, "sample_ct", lambda: [ct_layer_data(scan)])
    opened = []

    open_sample(model, when_open=lambda: opened.append(len(model.layers)))
    qtbot.waitUntil(lambda: bool(opened), timeout=10_000)

    assert opened == [1]
    np.testing.assert_array_equal(model.layers[0].data, scan.array)


def test_a_repaired_scan_shows_hounsfield_units_in_the_abdomen_window(model, scan):
    stored = Volume(array=(scan.array + 1024).astype(np.int16) * 2, geometry=scan.geometry)
    data, options, _ = ct_layer_data(stored)
    layer = model.add_image(data, **options)
    assert why_no_ct(stored).code == "rescale_missing"

    repair_rescale(layer)

    np.testing.assert_array_equal(layer.data, stored.array - 1024)
    assert tuple(layer.contrast_limits) == (-160, 240)
