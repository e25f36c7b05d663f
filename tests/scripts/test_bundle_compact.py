"""The script that bundles the weights of the package: what it takes from a run, and what the card then says."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

import pytest
import torch

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.io.bundle import Bundle, describe_stage
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.bundling import write_bundle
from napari_kidney_seg.training.run_folder import RunFolder
from tests.loading import load_file


@pytest.fixture(scope="module")
def script():
    return load_file("scripts/bundle_compact.py")


@pytest.fixture
def method():
    return get_method("resunet-2.5d", "smoke")


@pytest.fixture
def before(method, tmp_path) -> Bundle:
    torch.manual_seed(0)
    weights = {stage.name: [stage.network(**stage.network_args).state_dict()] for stage in method.stages}
    facts = {"training_data": "x", "licence": "y", "training": {"lesion": {"epochs": 14}, "kidney": {"epochs": 2}}}
    return write_bundle(method, weights, tmp_path / "before.safetensors", facts)


def run_of(stage, start_sha256, folder) -> RunFolder:
    """Return a run of one epoch that began from the file of that hash; its last weights are ones, its best are twos."""
    folder.mkdir()
    run = RunFolder(folder)
    state = stage.network(**stage.network_args).state_dict()
    run.save_best({name: torch.full_like(tensor, 2) for name, tensor in state.items()})
    torch.save({"network": {name: torch.ones_like(tensor) for name, tensor in state.items()}}, run.last)
    run.task.write_text(json.dumps({"sizes": describe_stage(stage)}))
    (folder / "command.json").write_text(json.dumps({"start_sha256": start_sha256}))
    run.log(EpochDone(stage=stage.name, epoch=1, epochs=1, loss=0.5, scores={"dice": 0.7}, best=True, seconds_left=0.0))
    return run


def test_a_stage_without_a_run_stays_as_it_was(script, method, before, tmp_path):
    weights, facts = script.stage_weights(method.stage("kidney"), tmp_path / "none", before)

    assert facts == {"epochs": 2}
    torch.testing.assert_close(weights[0], before.members("kidney")[0])


def test_the_best_weights_of_a_run_carry_the_history_of_those_it_began_from(script, method, before, tmp_path):
    run = run_of(method.stage("lesion"), before.sha256, tmp_path / "run")

    weights, facts = script.stage_weights(method.stage("lesion"), run.path, before)

    assert all((tensor == 2).all() for tensor in weights[0].values())
    assert (facts["epochs"], facts["best_epoch"], facts["before"]) == (1, 1, {"epochs": 14})


def test_a_run_that_went_on_from_another_carries_the_history_of_both(script, method, before, tmp_path):
    first = run_of(method.stage("lesion"), before.sha256, tmp_path / "first")
    run = run_of(method.stage("lesion"), "of the first", tmp_path / "run")
    command = {"start_sha256": "of the first", "start_from": str(first.path)}
    (run.path / "command.json").write_text(json.dumps(command))

    _, facts = script.stage_weights(method.stage("lesion"), run.path, before)

    assert facts["before"]["command"] == {"start_sha256": before.sha256}
    assert facts["before"]["before"] == {"epochs": 14}


def test_a_run_that_began_elsewhere_has_no_history_of_the_bundle(script, method, before, tmp_path):
    run = run_of(method.stage("lesion"), "another", tmp_path / "run")

    _, facts = script.stage_weights(method.stage("lesion"), run.path, before)

    assert "before" not in facts


def test_the_last_weights_of_a_run_are_taken_when_asked(script, method, before, tmp_path):
    run = run_of(method.stage("lesion"), before.sha256, tmp_path / "run")

    weights, facts = script.stage_weights(method.stage("lesion"), run.path, before, are_last=True)

    assert all((tensor == 1).all() for tensor in weights[0].values())
    assert (facts["weights"], facts["before"]) == ("the last epoch's", {"epochs": 14})


def test_only_the_stages_that_are_kept_must_fit_the_bundle_before(script, method, before, tmp_path):
    coarse, kidney, lesion = method.stages
    changed = replace(method, stages=(coarse, kidney, replace(lesion, window=(8, 64, 64))))
    arguments = Namespace(runs=tmp_path, before=before.path, average=())

    with pytest.raises(BundleError, match="in stage 'lesion'"):
        script.bundle_before(arguments, changed)
    run_of(changed.stages[2], before.sha256, tmp_path / "resunet-2.5d-lesion")

    assert script.bundle_before(arguments, changed).sha256 == before.sha256


def test_the_mean_is_of_the_last_weights_and_those_it_began_from(script, method, before, tmp_path):
    run = run_of(method.stage("lesion"), before.sha256, tmp_path / "run")

    (mean,), facts = script.averaged("lesion", run.path, before)

    (start,) = before.members("lesion")
    assert all(torch.allclose(mean[name], (start[name] + 1) / 2) for name in start)
    assert "best_epoch" not in facts
    assert "not validated" in facts["weights"]


def test_no_mean_is_made_with_weights_that_a_run_did_not_begin_from(script, method, before, tmp_path):
    run = run_of(method.stage("lesion"), "another", tmp_path / "run")

    with pytest.raises(SystemExit, match=r"did not begin from 'before\.safetensors'"):
        script.averaged("lesion", run.path, before)
