from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.training.request import TrainingRequest, training_name

REQUEST = TrainingRequest(method="masses-net", preset="smoke", data="phantoms:4", output=Path("runs/one"))


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        replace(
            REQUEST,
            stage="masses",
            epochs=7,
            device="cpu",
            init=Path("start.safetensors"),
            bundle=Path("mine.safetensors"),
        ),
        replace(REQUEST, trunk=Path("resnet50.pth")),
    ],
    ids=["least", "all", "trunk"],
)
def test_a_request_comes_back_from_its_record(request_):
    assert TrainingRequest.from_record(request_.record(), request_.output) == request_


def test_a_record_that_was_moved_asks_for_its_new_folder():
    assert TrainingRequest.from_record(REQUEST.record(), Path("elsewhere")).output == Path("elsewhere")


@pytest.mark.parametrize("record", [{}, {"method": "a", "preset": "b"}, REQUEST.record() | {"epochs": "many"}])
def test_a_damaged_record_is_named(record):
    with pytest.raises(DatasetError, match="'runs/one' is damaged"):
        TrainingRequest.from_record(record, Path("runs/one"))


def test_resuming_takes_what_is_left_open_from_before():
    before = replace(REQUEST, epochs=7, init=Path("start"), bundle=Path("mine"))

    resumed = replace(REQUEST, epochs=9).continuing(before)

    assert (resumed.epochs, resumed.init, resumed.bundle) == (9, Path("start"), Path("mine"))


def test_a_resumed_training_has_the_trunk_it_began_with():
    assert REQUEST.continuing(replace(REQUEST, trunk=Path("trunk"))).trunk == Path("trunk")


def test_a_bundle_and_a_trunk_are_not_both_a_start():
    with pytest.raises(DatasetError, match=r"bundle 'a.safetensors' and the trunk 'b.pth'.*Give one of them"):
        replace(REQUEST, init=Path("a.safetensors"), trunk=Path("b.pth"))


def test_another_stage_is_not_resumed():
    with pytest.raises(DatasetError, match="stage all stages; now it is 'kidney'"):
        replace(REQUEST, stage="kidney").continuing(REQUEST)


def test_one_stage_runs_in_the_folder_and_all_stages_in_folders_of_it():
    assert REQUEST.run_folder("masses") == Path("runs/one/masses")
    assert replace(REQUEST, stage="masses").run_folder("masses") == Path("runs/one")


def test_a_name_tells_what_was_trained_and_when():
    when = datetime(2026, 1, 31, 15, 45, 2)

    assert training_name("masses-net", "smoke", None, when) == "masses-net-smoke-20260131-154502"
    assert training_name("masses-net", "smoke", "masses", when) == "masses-net-smoke-masses-20260131-154502"
