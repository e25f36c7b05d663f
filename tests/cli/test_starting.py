"""A training of rcnn-vnet starts from a trunk file; where it cannot, nothing is begun."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_kidney_seg.cli import training
from napari_kidney_seg.cli.starting import check_trunk, start_weights
from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.trainer import Trainer

REQUEST = TrainingRequest(method="rcnn-vnet", preset="smoke", data="phantoms:2", output=Path("run"))
DETECTOR, V_NET = get_method("rcnn-vnet", "smoke").stages


@pytest.fixture
def trunk(tmp_path):
    """A file with random weights for the trunk of the smoke preset, named as torchvision names a ResNet's."""
    torch.manual_seed(1)
    network = DETECTOR.network(**DETECTOR.network_args).detector
    parts = (network.backbone, network.roi_heads.box_head)
    torch.save({name: tensor for part in parts for name, tensor in part.state_dict().items()}, tmp_path / "trunk.pth")
    return tmp_path / "trunk.pth"


@pytest.fixture
def begun(monkeypatch):
    """The networks of the trainers that were made; they train nothing."""
    networks = []

    def make(*args):
        trainer = Trainer(*args)
        networks.append(trainer.network.module)
        trainer.run = lambda: iter(())
        return trainer

    monkeypatch.setattr(training, "Trainer", make)
    return networks


@pytest.mark.filterwarnings("ignore")  # lightning warns about workers and precision of this machine
def test_the_detector_starts_from_the_file_and_the_v_net_afresh(trunk, begun, tmp_path, call):
    run = tmp_path / "run"
    options = ("--preset", "smoke", "--data", "phantoms:2", "--device", "cpu", "--output", run, "--trunk", trunk)

    outcome = call("train", "rcnn-vnet", *options, "--bundle", tmp_path / "mine.safetensors")

    assert outcome.code == 0, outcome.err
    published, (detector, _) = torch.load(trunk, weights_only=True), begun
    backbone, head = detector.detector.backbone.state_dict(), detector.detector.roi_heads.box_head.state_dict()
    assert published.keys() == backbone.keys() | head.keys()
    assert all((tensor == published[name]).all() for name, tensor in (backbone | head).items())
    assert f"The trunk starts from the {len(published)} tensors of 'trunk.pth'" in outcome.out
    assert json.loads((run / "run.json").read_text())["trunk"] == str(trunk)


def test_a_trunk_that_does_not_fit_the_preset_is_refused_before_the_folder_is_made(trunk, tmp_path, call):
    options = ("--preset", "compact", "--data", "phantoms:2", "--output", tmp_path / "run", "--trunk", trunk)

    outcome = call("train", "rcnn-vnet", "kidney", *options)

    assert outcome.code == 1
    assert "'conv1.weight' is 8 x 3 x 7 x 7; that of the detector is 16 x 3 x 7 x 7" in outcome.err
    assert "choose one of them, or start without the file" in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_trunk_for_a_stage_without_one_is_refused(trunk):
    with pytest.raises(KidneySegError, match=r"'trunk.pth' .* of 'rcnn-vnet', stage 'segmentation', no network has"):
        check_trunk(replace(REQUEST, trunk=trunk), (V_NET,))


def test_a_stage_without_a_trunk_starts_afresh(trunk):
    assert start_weights(replace(REQUEST, trunk=trunk), V_NET) == {}
    assert start_weights(REQUEST, DETECTOR) == {}


@pytest.mark.filterwarnings("ignore")
def test_a_training_that_goes_on_does_not_read_the_file_again(trunk, begun, tmp_path):
    request = replace(REQUEST, stage="kidney", trunk=trunk, output=tmp_path)
    (tmp_path / "last.ckpt").touch()
    trunk.unlink()

    assert training._options(request, DETECTOR, resume=True).start_from == {}
