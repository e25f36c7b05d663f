from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.method import FittedGrid
from napari_kidney_seg.inference.engines.build import build_engine
from napari_kidney_seg.inference.engines.engine import NetworkSpec
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.methods.rcnn_vnet import METHOD
from napari_kidney_seg.training.detection_scores import slice_scores
from napari_kidney_seg.training.kidney_crops import KidneyCrops
from napari_kidney_seg.training.run_folder import best_weights
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions
from tests.inference.fakes import codes, segment
from tests.methods.fakes import dice, kidneys, marked_scan, with_oracles
from tests.training.conftest import dataset, kits_folder  # noqa: F401 - fixtures

OPTIONS = TrainerOptions(accelerator="cpu", precision="32-true")


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


@pytest.mark.parametrize("preset", ["compact", "smoke"])
def test_smaller_presets_change_sizes_only(preset):
    for paper, small in zip(METHOD.stages, METHOD.with_preset(preset).stages, strict=True):
        assert (small.intensity, small.region, small.classes) == (paper.intensity, paper.region, paper.classes)
        assert small.recipe.augmentation == paper.recipe.augmentation
        assert set(small.network_args) == set(paper.network_args)


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


def overfitted(stage, cases, folder, **changes):
    """Train `stage` on the first of `cases` until it is known well; return its best validation Dice."""
    recipe = replace(stage.recipe, augmentation=(), **changes)
    one = cases.subset([0])
    task = StageTask(stage=replace(stage, recipe=recipe), training=one, validation=one, validation_windows=2)
    best = 0.0
    for event in Trainer(task, folder, replace(OPTIONS, validate_every=5)).run():
        if isinstance(event, EpochDone) and event.scores:
            best = max(best, event.scores["dice"])
            if best > 0.93:
                break
    return best


@pytest.mark.slow
def test_the_detector_learns_one_case(dataset, tmp_path):  # noqa: F811
    stage = METHOD.with_preset("smoke").stage("kidney")

    assert overfitted(stage, dataset, tmp_path / "run", batch=1, learning_rate=1.5e-3) > 0.9

    network = stage.network(**stage.network_args)
    network.load_state_dict(best_weights(tmp_path / "run"))
    counts = slice_scores(network.eval(), dataset.load(0), stage)
    assert counts.recall > 0.7
    assert counts.precision > 0.7


@pytest.mark.slow
def test_v_net_learns_one_case(dataset, tmp_path):  # noqa: F811
    stage = METHOD.with_preset("smoke").stage("segmentation")

    sampler = KidneyCrops(shift=0, scale=(1, 1), part_probability=0)
    assert overfitted(stage, dataset, tmp_path / "run", sampler=sampler, epochs=120, learning_rate=1e-2) > 0.9


def test_a_resumed_detector_equals_an_uninterrupted_one(dataset, tmp_path):  # noqa: F811
    stage = get_method("rcnn-vnet", "smoke").stage("kidney")
    recipe = replace(stage.recipe, epochs=2)
    task = StageTask(stage=replace(stage, recipe=recipe), training=dataset.subset([0]), validation=dataset.subset([]))
    list(Trainer(task, tmp_path / "whole", OPTIONS).run())
    stopped = Trainer(task, tmp_path / "parts", OPTIONS).run()
    next(event for event in stopped if isinstance(event, EpochDone))
    stopped.close()

    list(Trainer(task, tmp_path / "parts", replace(OPTIONS, resume=True)).run())

    whole, parts = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["network"] for name in ("whole", "parts")
    )
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, parts[name])
