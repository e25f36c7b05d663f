from threading import Event

import numpy as np
from napari.layers import Labels

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.widgets import job
from napari_kidney_seg.widgets.job import MethodChoice, SegmentJob, prepare_label_colors, segment
from napari_kidney_seg.widgets.layer_data import label_appearance


def test_the_colors_prepared_are_those_of_the_layers_of_a_result(monkeypatch):
    mapped = []
    monkeypatch.setattr(Labels, "refresh", lambda layer, *_, **__: mapped.append(layer.colormap.color_dict))

    prepare_label_colors()

    wanted = Labels(np.ones((1, 1, 1), np.uint8), **label_appearance(KITS["kidney"], KITS)).colormap.color_dict
    assert mapped[0].keys() == wanted.keys()


def test_a_run_can_be_cancelled_while_the_first_of_a_session_imports_torch(scan, tmp_path, monkeypatch):
    goes_on = Event()
    monkeypatch.setattr(job, "_load", lambda _choice: goes_on.wait(timeout=60))
    choice = MethodChoice(method="resunet-2.5d", preset="compact", bundle=tmp_path / "none.safetensors")

    run = segment(SegmentJob(volume=scan, choice=choice))
    first = [next(run) for _ in range(3)]
    run.close()

    assert {event.stage for event in first} == {"prepare"}
    assert not goes_on.is_set()
    goes_on.set()


def test_colors_are_prepared_in_the_thread_of_the_run_before_it(scan, install, monkeypatch):
    calls = []

    def run(*_, **__):
        calls.append("run")
        yield

    monkeypatch.setattr(job, "prepare_label_colors", lambda: calls.append("colors"))
    monkeypatch.setattr("napari_kidney_seg.inference.cascade.run_cascade", run)
    bundle = install("boundary-aware", kidney=1)

    result_of(
        segment(SegmentJob(volume=scan, choice=MethodChoice(method="boundary-aware", preset="compact", bundle=bundle)))
    )

    assert calls == ["colors", "run"]
