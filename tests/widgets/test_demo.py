from __future__ import annotations

import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.widgets import demo, opening
from napari_kidney_seg.widgets.layer_data import ct_layer_data


@pytest.fixture
def quick_demo(monkeypatch, make_napari_viewer, qtbot, scan, bundle):
    """The demonstration on a small scan, with its event loop run by the test; returns its viewer."""
    viewer = make_napari_viewer(show=True)
    monkeypatch.setattr("napari.Viewer", lambda **_options: viewer)
    monkeypatch.setattr(opening, "sample_ct", lambda: [ct_layer_data(scan)])
    monkeypatch.setattr(demo, "SETTLE_MS", 50)
    return viewer


def test_the_demo_segments_the_sample_and_photographs_the_window(quick_demo, monkeypatch, qtbot, tmp_path, fake_run):
    picture = tmp_path / "pictures" / "demo.png"
    monkeypatch.setattr("napari.run", lambda: qtbot.waitUntil(picture.is_file, timeout=60_000))
    monkeypatch.setattr("napari_kidney_seg.widgets.segment.SegmentWidget.__init__.__defaults__", (fake_run,))

    demo.open_demo(picture)

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(fake_run.jobs) == 1


def test_a_demo_that_fails_says_why(quick_demo, monkeypatch, tmp_path):
    monkeypatch.setattr("napari.run", lambda: None)

    with pytest.raises(KidneySegError, match="made no picture"):
        demo.open_demo(tmp_path / "demo.png")
