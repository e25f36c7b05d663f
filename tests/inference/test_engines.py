import threading
from dataclasses import replace
from functools import partial
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from torch import nn

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.guide import Guide
from napari_kidney_seg.inference.background import in_background
from napari_kidney_seg.inference.engines import openvino_engine, torch_engine
from napari_kidney_seg.inference.engines.build import build_engine
from napari_kidney_seg.inference.engines.engine import NetworkSpec
from napari_kidney_seg.inference.engines.torch_engine import TorchEngine
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.networks.residual_unet import ResidualUNet
from tests.inference.fakes import ORGAN, codes, oracle_stage, segment

UNET = {
    "classes": 2,
    "widths": (4, 8, 8),
    "kernels": ((1, 3, 3), (1, 3, 3), (3, 3, 3)),
    "strides": ((1, 2, 2), (1, 2, 2)),
    "units": 1,
}


@pytest.fixture
def spec() -> NetworkSpec:
    torch.manual_seed(0)
    stage = replace(oracle_stage("kidney", ORGAN, window=(4, 48, 40)), network=ResidualUNet, network_args=UNET)
    return NetworkSpec(stage=stage, state=ResidualUNet(**UNET).state_dict())


@pytest.fixture
def windows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 1, 4, 48, 40)).astype(np.float32)


def test_torch_engine_gives_the_scores_of_the_network(spec, windows):
    with torch.no_grad():
        expected = spec.module()(torch.from_numpy(windows)).numpy()

    np.testing.assert_allclose(TorchEngine(spec)(windows), expected, atol=1e-6)


def test_bfloat16_changes_the_scores_a_little_and_keeps_them_float32(spec, windows):
    exact, half = TorchEngine(spec)(windows), TorchEngine(spec, precision="bfloat16")(windows)

    assert half.dtype == np.float32
    assert 0 < np.abs(exact - half).max() < 0.2


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_card_that_does_not_compute_bfloat16_computes_float16(monkeypatch, native, expected):
    monkeypatch.setattr(torch_engine, "computes_bfloat16", lambda device: native)

    assert torch_engine.autocast_dtype("cuda:1", "auto") is expected
    assert torch_engine.autocast_dtype("cpu", "auto") is None


@pytest.mark.parametrize(("precision", "hint"), [("auto", "f32"), ("float32", "f32"), ("bfloat16", "bf16")])
def test_openvino_computes_in_float32_unless_asked_otherwise(spec, monkeypatch, precision, hint):
    hints = []
    monkeypatch.setattr(openvino_engine, "_compile", lambda spec, *how: hints.append(how[0]) or MagicMock())

    openvino_engine.OpenVinoEngine(spec, precision)

    assert hints == [hint]


def test_openvino_gives_the_scores_of_torch(spec, windows):
    engine, notice = build_engine(spec, RunOptions(engine="openvino", precision="float32", threads=2), "cpu")

    assert (engine.name, notice) == ("openvino", None)
    np.testing.assert_allclose(engine(windows), TorchEngine(spec)(windows), atol=1e-3)


def test_openvino_compiles_a_named_network_once(spec, monkeypatch):
    compiled = []
    monkeypatch.setattr(openvino_engine, "_compiled", {})
    monkeypatch.setattr(openvino_engine, "_compile", lambda *network: compiled.append(network) or MagicMock())

    for named in (replace(spec, key="a/kidney/0"), replace(spec, key="a/kidney/0"), spec, spec):
        openvino_engine.OpenVinoEngine(named, "float32")

    assert len(compiled) == 3


def test_openvino_compiles_every_shape_of_window_before_the_first_is_predicted(spec, monkeypatch):
    compiled = []
    monkeypatch.setattr(openvino_engine, "_compile", lambda spec, *how: compiled.append(spec.window) or MagicMock())
    engine = openvino_engine.OpenVinoEngine(replace(spec, size=(4, 16, 16)), "float32")

    for window in ((4, 16, 16), (4, 16, 24), (4, 16, 24)):
        engine.make_ready(window)

    assert compiled == [(4, 16, 16), (4, 16, 24)]


def test_what_a_cancelled_run_began_to_compile_is_taken_up_by_the_next(spec, monkeypatch):
    goes_on, compiled = threading.Event(), []

    def slow(spec, *how):
        goes_on.wait()
        compiled.append(spec.key)
        return MagicMock()

    monkeypatch.setattr(openvino_engine, "_compiled", {})
    monkeypatch.setattr(openvino_engine, "_compile", slow)
    make = partial(openvino_engine.OpenVinoEngine, replace(spec, key="a/kidney/0"), "float32")
    cancelled, following = in_background(make, None), in_background(make, None)
    next(cancelled)
    cancelled.close()
    next(following)
    goes_on.set()

    assert result_of(following).name == "openvino"
    assert compiled == ["a/kidney/0"]


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_network_with_a_guide_gets_both_channels(spec, engine):
    guide = Guide(source="coarse", target=lambda labels: labels)
    args = {**UNET, "channels": 2}
    guided = replace(
        spec,
        stage=replace(spec.stage, network_args=args, requires=("coarse",), guides=(guide,)),
        state=ResidualUNet(**args).state_dict(),
    )
    windows = np.random.default_rng(0).normal(size=(1, 2, 4, 48, 40)).astype(np.float32)

    scores = build_engine(guided, RunOptions(engine=engine, precision="float32"), "cpu")[0](windows)

    with torch.no_grad():
        np.testing.assert_allclose(scores, guided.module()(torch.from_numpy(windows)).numpy(), atol=1e-3)


class WithSideOutput(ResidualUNet):
    def forward(self, x):
        scores = super().forward(x)
        return scores, scores + 1


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_side_outputs_of_a_network_are_left_out(spec, windows, engine):
    with_side = replace(spec, stage=replace(spec.stage, network=WithSideOutput))
    options = RunOptions(engine=engine, precision="float32")

    scores = build_engine(with_side, options, "cpu")[0](windows)

    np.testing.assert_allclose(scores, TorchEngine(spec)(windows), atol=1e-3)


class Untraceable(nn.Module):
    def forward(self, windows):
        if torch.jit.is_tracing():
            raise RuntimeError("no converter for this operation")
        return torch.cat([-windows, windows], dim=1)


def test_network_that_openvino_does_not_know_falls_back_to_torch_and_says_so(spec, scan, one_stage):
    stage = replace(one_stage.stages[0], network=Untraceable, network_args={})
    method = replace(one_stage, stages=(stage,))

    result = segment(scan, method, options=RunOptions(device="cpu", engine="auto"))

    assert codes(result.notices)[0] == "engine_fallback"
    assert result.engine == "torch"


def test_engine_asked_for_by_name_does_not_fall_back(spec):
    untraceable = replace(spec, stage=replace(spec.stage, network=Untraceable, network_args={}), state={})

    with pytest.raises(KidneySegError, match="OpenVINO cannot run the network of stage 'kidney'"):
        build_engine(untraceable, RunOptions(engine="openvino"), "cpu")


def test_cascade_gives_the_same_labels_with_openvino(scan, labels, three_stages):
    result = segment(scan, three_stages, options=RunOptions(device="cpu", engine="openvino", precision="float32"))

    assert result.engine == "openvino"
    np.testing.assert_array_equal(result.labels.array, labels)


def test_openvino_predicts_windows_of_any_shape(spec):
    windows = [np.random.default_rng(0).normal(size=(1, 1, 4, 16, n)).astype(np.float32) for n in (16, 24, 16)]
    engine = build_engine(replace(spec, size=(4, 16, 16)), RunOptions(engine="openvino", precision="float32"), "cpu")[0]
    reference = TorchEngine(spec)

    for window in windows:
        np.testing.assert_allclose(engine(window), reference(window), atol=1e-3)
