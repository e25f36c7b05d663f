from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.grid import FittedGrid
from napari_kidney_seg.inference.engines.build import build_engine
from napari_kidney_seg.inference.engines.engine import NetworkSpec
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.methods.rcnn_vnet import METHOD
from napari_kidney_seg.training.augmentation import ScaleShift, Zoom
from napari_kidney_seg.training.kidney_crops import KidneyCrops
from napari_kidney_seg.training.kidney_slices import KidneySlices
from tests.inference.fakes import codes, segment
from tests.methods.fakes import dice, kidneys, marked_scan, with_oracles


def test_the_papers_sizes_are_those_of_its_text():
    kidney, segmentation = METHOD.stages

    assert kidney.window == (1, 512, 512)
    assert (kidney.network_args["proposals"], kidney.network_args["input_size"]) == (300, 512)
    assert segmentation.window == segmentation.grid.shape == (32, 64, 64)
    assert [stage.intensity[0].low for stage in METHOD.stages] == [-60, -60]
    assert [stage.intensity[0].high for stage in METHOD.stages] == [300, 300]
    assert [stage.pad_value for stage in METHOD.stages] == [0, 0]


@pytest.mark.parametrize(
    ("shape", "working"),
    [((30, 512, 512), (30, 512, 512)), ((9, 512, 796), (9, 329, 512)), ((4, 100, 50), (4, 512, 256))],
)
def test_slices_of_other_sizes_are_scaled_to_fit_with_square_pixels(shape, working):
    assert FittedGrid(pixels=(512, 512)).shape_for(Geometry.from_spacing(shape, (3.0, 0.8, 0.8))) == working


def test_a_small_second_kidney_is_dropped_with_a_notice_and_kept_where_plausible():
    labels, geometry = kidneys((6.0, 4.0, 4.0))
    labels[:, :, : labels.shape[2] // 2] = 0
    labels[10:20, 20:28, 10:18] = 1  # 61 ml beside 141 ml
    labels[8:30, 15:32, 35:60] = np.maximum(labels[8:30, 15:32, 35:60], 1)
    method = with_oracles(METHOD.with_preset("compact"))
    kidney, segmentation = method.stages
    lenient = replace(segmentation, region=replace(segmentation.region, ratio_rule="keep_if_plausible"))

    paper = segment(marked_scan(labels, geometry), method)
    kept = segment(marked_scan(labels, geometry), replace(method, stages=(kidney, lenient)))

    assert "second_kidney_dropped" in codes(paper.notices)
    assert paper.labels.array[:, :, :30].max() == 0
    assert "second_kidney_dropped" not in codes(kept.notices)
    assert dice(kept.labels.array > 0, labels > 0) > 0.95


def test_sliding_windows_reproduce_the_scan_better_than_a_resized_box():
    labels, geometry = kidneys((4.0, 2.0, 2.0))
    scan, sliding = marked_scan(labels, geometry), METHOD.with_preset("sliding")

    found = segment(scan, with_oracles(replace(sliding, stages=_small_slices(sliding)))).labels.array

    assert sliding.stage("segmentation").recipe.sampler == KidneyCrops(is_resized=False)
    assert dice(found > 0, labels > 0) > 0.99
    assert dice(found == 2, labels == 2) > 0.99


def _small_slices(method):
    """Return the stages of `method` with slices of 128 pixels: the oracle needs no more."""
    kidney, segmentation = method.stages
    return replace(kidney, grid=FittedGrid(pixels=(128, 128)), window=(8, 128, 128)), segmentation


def test_the_preset_original_is_the_v_net_of_its_authors():
    segmentation = METHOD.with_preset("original").stage("segmentation")

    assert segmentation.network_args["norm"] is None
    recipe = segmentation.recipe
    assert (recipe.optimizer, recipe.momentum, recipe.weight_decay, recipe.batch) == ("sgd", 0.99, 5e-4, 2)
    assert (recipe.learning_rate, recipe.schedule) == (1e-4, "step")


ZOOM, INTENSITIES = Zoom(factors=(0.65, 1.1)), ScaleShift(scale=0.15, shift=0.15)


@pytest.mark.parametrize(("preset", "added"), [("compact", ((ZOOM, INTENSITIES), (INTENSITIES,))), ("smoke", ((), ()))])
def test_smaller_presets_see_the_same_and_compact_varies_more(preset, added):
    for paper, small, more in zip(METHOD.stages, METHOD.with_preset(preset).stages, added, strict=True):
        assert (small.intensity, small.region, small.classes) == (paper.intensity, paper.region, paper.classes)
        assert small.recipe.augmentation == (*paper.recipe.augmentation, *more)
        assert set(small.network_args) == set(paper.network_args)


def test_the_compact_detector_sees_slices_without_kidney_and_its_v_net_wider_boxes():
    kidney, segmentation = METHOD.with_preset("compact").stages

    assert kidney.recipe.sampler == KidneySlices(most=2, empty_share=0.25)
    assert kidney.window[0] * 0.25 == 2
    assert segmentation.recipe.sampler == KidneyCrops(shift=0.15, scale=(0.8, 1.5))


def test_the_compact_networks_fit_into_nine_megabytes():
    states = [stage.network(**stage.network_args).state_dict() for stage in METHOD.with_preset("compact").stages]

    assert sum(2 * tensor.numel() for state in states for tensor in state.values()) < 9e6


def test_the_detector_falls_back_to_torch_where_openvino_is_installed():
    pytest.importorskip("openvino")
    stage = METHOD.with_preset("smoke").stage("kidney")
    spec = NetworkSpec(stage=stage, state=stage.network(**stage.network_args).state_dict())

    engine, notice = build_engine(spec, RunOptions(), "cpu")

    assert engine.name == "torch"
    assert notice.code == "engine_fallback"
