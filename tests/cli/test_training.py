"""A stage is trained, resumed, bundled, and the bundle segments."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_kidney_seg.cli import training
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.bundle import load_bundle
from napari_kidney_seg.io.images import read_labels, write_labels
from napari_kidney_seg.methods import get_method

CARD = {"training_data": "two copies of one scan", "licence": "CC0-1.0"}


@pytest.fixture
def cases(scan, labels, write_scan, tmp_path):
    """Two labeled cases as image and mask pairs."""
    for name in ("a", "b"):
        write_scan(scan, tmp_path / "data" / f"{name}.nii.gz")
        mask = LabelVolume(array=labels, geometry=scan.geometry)
        write_labels(mask, tmp_path / "data" / f"{name}_seg.nii.gz")
    return tmp_path / "data"


@pytest.fixture
def train(cases, registered, tmp_path, call):
    """Return a function that trains a stage for one epoch on the CPU."""

    def run(stage, *more):
        folder = tmp_path / "runs" / stage
        outcome = call(
            "train", "oracle", stage, "--data", cases, "--output", folder, "--device", "cpu", "--epochs", 1, *more
        )
        assert outcome.code == 0, outcome.err
        return folder

    return run


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(CARD), encoding="utf-8")
    return path


def logged_epochs(folder):
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [record["epoch"] for record in map(json.loads, lines) if record["event"] == "epoch"]


@pytest.mark.filterwarnings("ignore")  # lightning warns about workers and precision of this machine
def test_trained_stages_become_a_bundle_that_segments(train, card, scan, labels, write_scan, tmp_path, call):
    runs = [train("kidney"), train("lesion")]
    file = tmp_path / "mine.safetensors"

    outcome = call("bundle", *runs, "--output", file, "--card", card)

    assert outcome.code == 0, outcome.err
    assert load_bundle(file, get_method("oracle", "compact")).card.training_data == CARD["training_data"]
    path = write_scan(scan, tmp_path / "ct.nii.gz")
    options = ("--method", "oracle", "--bundle", file, "--engine", "torch", "--device", "cpu")
    assert call("segment", path, "--output", tmp_path / "out", *options).code == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "ct_seg.nii.gz").array, labels)


@pytest.mark.filterwarnings("ignore")
def test_a_run_is_resumed_to_more_epochs(train, cases, tmp_path, call):
    folder = train("kidney")

    outcome = call(
        "train", "oracle", "kidney", "--data", cases, "--output", folder, "--device", "cpu", "--epochs", 2, "--resume"
    )

    assert outcome.code == 0, outcome.err
    assert logged_epochs(folder) == [1, 2]


@pytest.mark.filterwarnings("ignore")
def test_training_starts_from_the_weights_of_a_bundle(train, bundle, monkeypatch):
    started_from = []
    trainer = training.Trainer
    monkeypatch.setattr(training, "Trainer", lambda *args: started_from.append(args[2].start_from) or trainer(*args))

    train("kidney", "--init", bundle)

    weights = load_bundle(bundle, get_method("oracle", "compact")).members("kidney")[0]
    assert started_from[0].keys() == weights.keys()
    assert all((started_from[0][name] == tensor).all() for name, tensor in weights.items())


def test_an_unknown_stage_is_refused(cases, registered, tmp_path, call):
    outcome = call("train", "oracle", "liver", "--data", cases, "--output", tmp_path / "run")

    assert outcome.code == 1
    assert "has no stage 'liver'. Choose one of 'kidney', 'lesion'" in outcome.err


def test_a_bundle_needs_a_run_for_every_stage(registered, card, tmp_path, call):
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"method": "oracle", "preset": "compact", "stage": "kidney"}))

    outcome = call("bundle", run, "--output", tmp_path / "mine.safetensors", "--card", card)

    assert outcome.code == 1
    assert "no run of the stages ['lesion']" in outcome.err


def test_a_folder_that_is_no_run_is_refused(card, tmp_path, call):
    outcome = call("bundle", tmp_path, "--output", tmp_path / "mine.safetensors", "--card", card)

    assert outcome.code == 1
    assert "is no run folder" in outcome.err


def test_a_card_without_its_licence_is_refused(registered, tmp_path, call):
    runs = []
    for stage in ("kidney", "lesion"):
        run = tmp_path / stage
        run.mkdir()
        (run / "run.json").write_text(json.dumps({"method": "oracle", "preset": "compact", "stage": stage}))
        runs.append(run)
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"training_data": "x", "score": 1}), encoding="utf-8")

    outcome = call("bundle", *runs, "--output", tmp_path / "mine.safetensors", "--card", card)

    assert outcome.code == 1
    assert "lacks ['licence'] and has the unknown fields ['score']" in outcome.err
