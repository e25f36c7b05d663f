from dataclasses import replace

import pytest
import torch
from torch import nn

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.inference.engines.engine import NetworkSpec
from napari_kidney_seg.inference.engines.torch_engine import TorchEngine
from napari_kidney_seg.inference.predictor import Predictor
from tests.inference.fakes import (
    LESION,
    ORGAN,
    TORCH,
    codes,
    method_of,
    oracle_stage,
    organ_only,
    scan_of,
    segment,
    two_kidneys,
)


class Overflowing(nn.Module):
    """Two scores a voxel, once and twice its value, that overflow under autocast."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        scores = self.gain * torch.cat([windows, 2 * windows], dim=1)
        return scores * torch.inf - torch.inf if torch.is_autocast_enabled("cpu") else scores


class Broken(nn.Module):
    """Scores with one voxel that is no number, whatever the precision."""

    def __init__(self, levels) -> None:
        super().__init__()
        self.classes = len(levels)
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        scores = self.gain * windows.repeat(1, self.classes, 1, 1, 1)
        scores[:, 0, 0, 0, 0] = torch.nan
        return scores


def spec_of(network, **args) -> NetworkSpec:
    stage = replace(oracle_stage("kidney", ORGAN), network=network, network_args=args)
    return NetworkSpec(stage=stage, state=network(**args).state_dict())


def test_what_overflows_in_half_precision_is_predicted_again_in_float32():
    spec = spec_of(Overflowing)
    predictor = Predictor(spec, TorchEngine(spec, precision="bfloat16"), "cpu")
    windows = torch.rand(1, 1, 2, 3, 4) + 1

    probabilities = predictor(windows)

    expected = torch.cat([windows, 2 * windows], dim=1).softmax(dim=1)
    torch.testing.assert_close(probabilities, expected)
    assert predictor.notice().code == "repeated_in_float32"


def test_numbers_are_predicted_once_and_nothing_is_said():
    spec = spec_of(Overflowing)
    predictor = Predictor(spec, TorchEngine(spec), "cpu")

    windows = torch.rand(1, 1, 2, 3, 4)

    torch.testing.assert_close(predictor(windows), torch.cat([windows, 2 * windows], dim=1).softmax(dim=1))
    assert predictor.notice() is None


@pytest.mark.parametrize("broken", ["kidney", "lesion"])
def test_a_network_without_numbers_ends_the_run_instead_of_an_empty_or_wrong_mask(broken):
    stages = [oracle_stage("kidney", ORGAN), oracle_stage("lesion", LESION)]
    stages = [replace(stage, network=Broken) if stage.name == broken else stage for stage in stages]

    with pytest.raises(KidneySegError, match=f"{broken}.*no numbers"):
        segment(scan_of(two_kidneys()), method_of(*stages), TORCH)


def test_a_run_tells_that_windows_were_predicted_twice():
    stage = replace(oracle_stage("kidney", ORGAN), network=Overflowing, network_args={})

    result = segment(scan_of(two_kidneys()), method_of(stage, fuse=organ_only), replace(TORCH, precision="bfloat16"))

    assert "repeated_in_float32" in codes(result.notices)
