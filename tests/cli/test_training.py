"""A stage is trained, resumed, bundled, and the bundle segments."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest

from napari_kidney_seg.cli import training
from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.bundle import load_bundle
from napari_kidney_seg.io.images import read_labels, write_labels
from napari_kidney_seg.io.models import list_bundles
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.dataset import Dataset
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.run_folder import RunFolder
from napari_kidney_seg.training.training_folder import State, TrainingFolder
from napari_kidney_seg.training.training_view import view_training

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


@pytest.fixture
def train_all(cases, registered, models, tmp_path, call):
    """Return a function that trains the whole method on the CPU, and where its folder is."""
    folder = tmp_path / "runs" / "all"

    def run(*more):
        return call("train", "oracle", "--data", cases, "--output", folder, "--device", "cpu", *more)

    run.folder = folder
    return run


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
    again = ("train", "oracle", "kidney", "--data", cases, "--output", folder, "--device", "cpu", "--resume")

    outcome = call(*again, "--epochs", 2)

    assert outcome.code == 0, outcome.err
    assert "nothing is left" not in outcome.out
    assert logged_epochs(folder) == [1, 2]


def test_a_run_that_is_done_says_so_when_it_is_resumed(train, cases, call):
    folder = train("kidney")

    outcome = call("train", "oracle", "kidney", "--data", cases, "--output", folder, "--device", "cpu", "--resume")

    assert outcome.code == 0, outcome.err
    assert "nothing is left to do. Give a higher --epochs to go on." in " ".join(outcome.out.split())
    assert logged_epochs(folder) == [1]


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


def test_a_bundle_is_called_safetensors(card, tmp_path, call):
    outcome = call("bundle", tmp_path, "--output", tmp_path / "mine.txt", "--card", card)

    assert outcome.code == 1
    assert "Found 'mine.txt' as the name of a bundle; needed one that ends in .safetensors." in outcome.err


def test_a_bundle_replaces_no_other_file(card, tmp_path, call):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"another model")

    outcome = call("bundle", tmp_path, "--output", file, "--card", card)

    assert outcome.code == 1
    assert "is there already. Choose another name" in " ".join(outcome.err.split())
    assert file.read_bytes() == b"another model"


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


@pytest.mark.filterwarnings("ignore")
def test_a_whole_method_is_trained_stage_by_stage_and_bundled_among_the_users_own(train_all, registered):
    outcome = train_all("--epochs", 2)

    assert outcome.code == 0, outcome.err
    (file,) = list_bundles()
    card = load_bundle(file, get_method("oracle", "compact")).card
    assert card.training_data == "1 case of 'data'"
    assert card.training["kidney"]["epochs"] == 2
    assert logged_epochs(train_all.folder / "lesion") == [1, 2]
    ended = TrainingFolder(train_all.folder).outcome()
    assert (ended.state, ended.bundle) == (State.FINISHED, file)


@pytest.mark.filterwarnings("ignore")
def test_the_stages_of_a_whole_training_can_be_bundled_by_hand(train_all, card, tmp_path, call):
    train_all("--epochs", 1)
    runs = [train_all.folder / stage for stage in ("kidney", "lesion")]

    outcome = call("bundle", *runs, "--output", tmp_path / "mine.safetensors", "--card", card)

    assert outcome.code == 0, outcome.err


@pytest.mark.filterwarnings("ignore")
def test_a_training_stops_when_asked_and_is_resumed_where_it_was(train_all, monkeypatch):
    follow = training.follow

    def follow_and_ask(work, title, console):
        def asking():
            while True:
                try:
                    event = next(work)
                except StopIteration as end:
                    return end.value
                if isinstance(event, EpochDone) and (event.stage, event.epoch) == ("lesion", 1):
                    TrainingFolder(train_all.folder).ask_to_stop()
                yield event

        return follow(asking(), title, console)

    monkeypatch.setattr(training, "follow", follow_and_ask)
    stopped = train_all("--epochs", 2)
    view = view_training(train_all.folder)
    monkeypatch.setattr(training, "follow", follow)
    resumed = train_all("--resume")

    assert "Go on with --resume" in stopped.out
    assert view.outcome.state is State.STOPPED
    assert view.outcome.bundle.is_file()  # the best so far of every stage
    assert [len(run.epochs) for run in view.runs] == [2, 1]
    assert resumed.code == 0, resumed.err
    assert logged_epochs(train_all.folder / "kidney") == [1, 2]
    assert logged_epochs(train_all.folder / "lesion") == [1, 2]
    assert TrainingFolder(train_all.folder).outcome().bundle == view.outcome.bundle
    assert list_bundles() == [view.outcome.bundle]


@pytest.mark.filterwarnings("ignore")
def test_one_stage_trained_from_a_bundle_takes_its_other_stages_from_there(train, bundle, tmp_path):
    file = tmp_path / "mine.safetensors"

    train("lesion", "--init", bundle, "--bundle", file)

    method = get_method("oracle", "compact")
    old, new = load_bundle(bundle, method), load_bundle(file, method)
    assert new.members("kidney")[0] == old.members("kidney")[0]
    assert new.members("lesion")[0].keys() == old.members("lesion")[0].keys()
    assert new.card.training_data == "1 case of 'data', from weights trained on none"
    assert new.card.training == {"kidney": {"epochs": 7}, "lesion": {"epochs": 1, "best epoch": 1}}
    assert new.card.limits.endswith("Started from weights with these limits: Adults alone.")


def test_why_a_training_failed_is_recorded_for_those_who_follow_it(registered, models, tmp_path, call):
    (tmp_path / "empty").mkdir()

    outcome = call("train", "oracle", "--data", tmp_path / "empty", "--output", tmp_path / "run")

    ended = TrainingFolder(tmp_path / "run").outcome()
    assert outcome.code == 1
    assert ended.state is State.FAILED
    assert "Found no labelled case" in ended.text


@pytest.mark.filterwarnings("ignore")
def test_a_full_disk_is_called_one(train_all, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RunFolder, "save_best", fail)

    outcome = train_all("--epochs", 1)

    assert outcome.code == 1
    assert "is full" in outcome.err
    assert "is full" in TrainingFolder(train_all.folder).outcome().text


def test_a_folder_that_another_process_trains_in_is_left_alone(train_all, cases):
    folder = TrainingFolder(train_all.folder)
    folder.make()
    request = TrainingRequest(method="oracle", preset="compact", data=str(cases), output=folder.path)
    folder.record(request, os.getppid())

    outcome = train_all("--resume")

    assert outcome.code == 1
    assert f"Process {os.getppid()} is training" in outcome.err
    assert folder.process().pid == os.getppid()


def test_a_device_that_is_not_there_is_refused_before_a_folder_is_made(cases, registered, tmp_path, call, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    outcome = call("train", "oracle", "kidney", "--data", cases, "--output", tmp_path / "run", "--device", "cuda:1")

    assert outcome.code == 1
    assert "The device 'cuda:1' was asked for" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore")
def test_cases_left_out_by_one_method_do_not_move_the_others_to_validation(train, monkeypatch):
    seen = []
    trainer = training.Trainer
    monkeypatch.setattr(training, "Trainer", lambda *args: seen.append(args[0]) or trainer(*args))
    train("kidney")
    (held_out,) = (case.name for case in seen[0].validation.cases)
    (learned,) = (case.name for case in seen[0].training.cases)

    monkeypatch.setattr(
        Dataset, "without", lambda self, names: self.subset([i for i, c in enumerate(self.cases) if c.name != held_out])
    )
    train("lesion")

    assert [case.name for case in seen[1].training.cases] == [learned]
    assert not seen[1].validation.cases


@pytest.mark.filterwarnings("ignore")
def test_the_folder_of_a_whole_training_is_bundled_as_its_stages(train_all, card, tmp_path, call):
    train_all("--epochs", 1)

    outcome = call("bundle", train_all.folder, "--output", tmp_path / "mine.safetensors", "--card", card)

    assert outcome.code == 0, outcome.err
    members = load_bundle(tmp_path / "mine.safetensors", get_method("oracle", "compact")).card.members
    assert members == {"kidney": 1, "lesion": 1}


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_was_not_validated_says_so_and_stands_in_for_no_other(train_all, cases, bundle, call):
    for file in cases.glob("b*"):
        file.unlink()

    outcome = train_all("--epochs", 1)

    assert outcome.code == 0, outcome.err
    assert "1 case to train on, 0 to validate on. Nothing will be known" in " ".join(outcome.out.split())
    method = get_method("oracle", "compact")
    (made,) = [path for path in list_bundles() if path != bundle]
    card = load_bundle(made, method).card
    assert (card.is_measured, card.scores) == (False, {})
    assert card.limits.startswith("Not validated: no case was held out")
    assert "not validated: nothing was measured with it" in " ".join(call("models").out.split())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", [lambda content: content[:500], lambda _: b"", lambda _: b"no checkpoint"])
def test_a_damaged_checkpoint_is_called_one_and_the_best_weights_stay(train, cases, call, damage):
    folder = train("kidney")
    run = RunFolder(folder)
    run.last.write_bytes(damage(run.last.read_bytes()))
    best = run.best.read_bytes()

    outcome = call("train", "oracle", "kidney", "--data", cases, "--output", folder, "--epochs", 2, "--resume")

    assert outcome.code == 1
    assert "it is damaged, or from another version. Start a new run in another folder" in " ".join(outcome.err.split())
    assert run.best.read_bytes() == best


def test_going_on_where_nothing_was_trained_is_refused(train_all):
    outcome = train_all("--resume")

    assert outcome.code == 1
    assert "There is no training in" in outcome.err
    assert not train_all.folder.exists()


@pytest.mark.filterwarnings("ignore")
def test_an_interrupted_training_says_what_is_kept(train_all, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "follow", interrupted)

    outcome = train_all("--epochs", 1)

    assert outcome.code != 0
    assert "Interrupted. Nothing was trained yet; --resume starts from the beginning." in outcome.out
    assert TrainingFolder(train_all.folder).outcome().state is State.STOPPED


@pytest.mark.filterwarnings("ignore")
def test_an_interrupted_later_epoch_leaves_the_earlier_ones(train_all, monkeypatch):
    train_all("--epochs", 1)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "follow", interrupted)
    outcome = train_all("--epochs", 2, "--resume")

    assert "Interrupted. What was trained up to the last finished epoch is kept; go on with --resume." in outcome.out
