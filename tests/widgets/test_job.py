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
