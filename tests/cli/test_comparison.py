"""Methods are run over labelled cases and compared in one table."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from napari_kidney_seg.cli.comparison import ComparisonFiles, compare, peak_memory
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.io.images import write_labels


@pytest.fixture
def data(scan, labels, write_scan, tmp_path):
    """Two cases: one that the method of oracles solves, one whose reference has twice its tumor."""
    larger = labels.copy()
    larger[10:14, 12:16, 9:14] = 2
    for name, mask in (("case_00000", labels), ("case_00001", larger)):
        write_scan(scan, tmp_path / "data" / name / "imaging.nii.gz")
        reference = LabelVolume(array=mask, geometry=scan.geometry)
        write_labels(reference, tmp_path / "data" / name / "segmentation.nii.gz")
    return tmp_path / "data"


def test_all_methods_are_run_on_all_cases_and_averaged(bundle, data, call):
    outcome = call("evaluate", "--methods", "all", "--data", data, "--device", "cpu", "--json")

    (record,) = outcome.records
    assert outcome.code == 0
    assert record["method"] == "oracle"
    assert [case["caseID"] for case in record["cases"]] == ["case_00000", "case_00001"]
    assert [case["Dice_tumor"] for case in record["cases"]] == [1.0, pytest.approx(2 / 3)]
    assert record["mean"]["Dice_tumor"] == pytest.approx(5 / 6)
    assert record["mean"]["kits19_composite"] == pytest.approx((1 + 5 / 6) / 2)
    assert record["mean"]["seconds"] > 0
    assert record["mean"]["peak_mb"] > 50
    assert record["mean"]["slice_recall"] == ""


def test_the_table_is_written_with_every_case_and_drawn(bundle, data, tmp_path, call):
    pytest.importorskip("matplotlib", reason="the plot needs Matplotlib")
    files = ("--csv", tmp_path / "all.csv", "--plot", tmp_path / "all.png")

    outcome = call("evaluate", "--methods", "oracle", "--data", data, "--device", "cpu", *files)

    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert outcome.code == 0
    assert "Dice_masses" in outcome.out
    assert [(row["method"], row["caseID"]) for row in rows] == [
        ("oracle", "case_00000"),
        ("oracle", "case_00001"),
        ("oracle", "mean"),
    ]
    assert len(np.unique(np.asarray(Image.open(tmp_path / "all.png").convert("L")))) > 10


def test_a_class_that_a_reference_lacks_is_named_below_the_table(bundle, data, scan, labels, call):
    kidneys = LabelVolume(array=(labels > 0).astype(np.uint8), geometry=scan.geometry)
    write_labels(kidneys, data / "case_00001" / "segmentation.nii.gz")

    outcome = call("evaluate", "--methods", "oracle,oracle:mirrored", "--data", data, "--device", "cpu")

    for name in ("masses", "tumor"):
        assert outcome.out.count(f"No {name} in the reference of case_00001: it scores 1 where none was found") == 1
    assert "No kidney" not in outcome.out


def test_of_all_methods_those_without_weights_are_told_and_left_out(bundle, data, monkeypatch, call):
    both = {"oracle": "tests.cli.oracle_method", "resunet-2.5d": "napari_kidney_seg.methods.resunet_2p5d"}
    monkeypatch.setattr("napari_kidney_seg.methods.REGISTRY", both)

    outcome = call("evaluate", "--methods", "all", "--data", data, "--device", "cpu")
    named = call("evaluate", "--methods", "oracle,resunet-2.5d", "--data", data)

    assert outcome.code == 0
    assert "resunet-2.5d is left out" in outcome.out
    assert named.code == 1
    assert "resunet-2.5d" in named.err


def test_a_method_is_compared_with_itself_under_another_averaging(bundle, data):
    names, options = "oracle, oracle:mirrored", RunOptions(device="cpu")

    plain, mirrored = compare(names, data, "compact", options, ComparisonFiles(), Console())

    assert (plain.method, mirrored.method) == ("oracle", "oracle:mirrored")
    assert codes(mirrored) - codes(plain) == {"averaging"}


def test_an_averaging_the_method_does_not_have_is_refused(bundle, data, call):
    outcome = call("evaluate", "--methods", "oracle:thrice", "--data", data, "--device", "cpu")

    assert outcome.code == 1
    assert "mirrored" in outcome.err


def codes(result):
    return {notice.code for case in result.cases for notice in case.notices}


def test_a_case_that_cannot_be_read_stops_no_other(bundle, data, call):
    (data / "case_00000" / "imaging.nii.gz").write_bytes(b"no image")

    outcome = call("evaluate", "--methods", "all", "--data", data, "--device", "cpu", "--json")

    (record,) = outcome.records
    assert outcome.code == 1
    assert list(record["failed"]) == ["case_00000"]
    assert len(record["cases"]) == 1


@pytest.mark.parametrize("arguments", [(), ("--methods", "all"), ("a", "--data", "b"), ("a", "b", "--methods", "all")])
def test_masks_and_methods_are_not_mixed(arguments, call):
    outcome = call("evaluate", *arguments)

    assert outcome.code == 2
    assert "PREDICTION and REFERENCE" in outcome.err


def test_the_most_memory_is_remembered():
    with peak_memory() as before:
        pass
    with peak_memory() as during:
        block = np.ones(300_000_000, np.uint8)  # more than may lie free in the process already
        for _ in range(20):
            block += 1
        del block

    assert during[0] > before[0] + 100


def test_the_detector_of_a_method_is_scored_on_slices(models, data, monkeypatch, call):
    from napari_kidney_seg.methods import get_method
    from napari_kidney_seg.training.bundling import write_bundle

    monkeypatch.setattr("napari_kidney_seg.methods.REGISTRY", {"rcnn-vnet": "napari_kidney_seg.methods.rcnn_vnet"})
    method = get_method("rcnn-vnet", "smoke")
    weights = {stage.name: [stage.network(**stage.network_args).state_dict()] for stage in method.stages}
    write_bundle(method, weights, models / "untrained.safetensors", {"training_data": "none", "licence": "CC0-1.0"})

    outcome = call("evaluate", "--methods", "rcnn-vnet", "--preset", "smoke", "--data", data, "--json")

    mean = json.loads(outcome.out)["mean"]
    assert 0 <= mean["slice_recall"] <= 1
    assert 0 <= mean["slice_precision"] <= 1
