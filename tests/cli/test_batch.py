"""Segmenting many scans: right masks, resumed batches, failures told at the end."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.cli.batch import ScanTask, open_model, segment_case
from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.events import Progress, StageDone
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.io.bundle import read_card
from napari_kidney_seg.io.images import read_labels
from napari_kidney_seg.io.sidecar import EDITED, read_sidecar, write_sidecar
from tests.cli.oracle_method import METHOD
from tests.inference.fakes import finished

TORCH = ("--engine", "torch", "--device", "cpu", "--method", "oracle")


@pytest.fixture
def two_scans(scan, write_scan, tmp_path):
    """A folder with the same scan under two names."""
    first = write_scan(scan, tmp_path / "in" / "a.nii.gz")
    shutil.copy(first, tmp_path / "in" / "b.nii.gz")
    return tmp_path / "in"


def statuses(outcome):
    return [record["status"] for record in outcome.records]


def test_an_output_that_cannot_be_written_is_refused_before_the_first_scan_is_read(two_scans, bundle, tmp_path, call):
    (tmp_path / "file").write_text("in the way")

    outcome = call("segment", two_scans, "--output", tmp_path / "file", *TORCH)

    assert outcome.code != 0
    assert "Masks cannot be written to" in outcome.err
    assert "Give another --output." in " ".join(outcome.err.split())
    assert outcome.records == []


def test_a_mistyped_input_leaves_no_empty_folder(bundle, tmp_path, call):
    outcome = call("segment", tmp_path / "mistyped.nii.gz", "--output", tmp_path / "masks", *TORCH)

    assert outcome.code != 0
    assert not (tmp_path / "masks").exists()


def test_a_scan_gives_its_mask_on_its_grid_with_a_record(bundle, scan, labels, write_scan, tmp_path, call):
    path = write_scan(scan, tmp_path / "ct.nii.gz")

    outcome = call("segment", path, "--output", tmp_path / "out", *TORCH)

    mask = read_labels(tmp_path / "out" / "ct_seg.nii.gz")
    record = read_sidecar(tmp_path / "out" / "ct_seg.nii.gz")
    assert outcome.code == 0
    assert f"Weights: {bundle}" in outcome.out.replace("\n", "")
    np.testing.assert_array_equal(mask.array, labels)
    assert mask.geometry.is_close(scan.geometry)
    assert (record.source, record.method, record.preset, record.engine) == (str(path), "oracle", "compact", "torch")
    assert record.volumes_ml["tumor"] == pytest.approx(4 * 4 * 5 * 2 * 1.5 * 1.5 / 1000)


def test_the_events_of_one_case_start_with_reading_and_end_with_fusing(bundle, scan, write_scan, tmp_path):
    task = ScanTask(scan=write_scan(scan, tmp_path / "ct.nii.gz"), mask=tmp_path / "out" / "ct_seg.nii.gz")
    model = open_model("oracle", "compact", None, RunOptions(device="cpu", engine="torch"))

    events, mask = finished(segment_case(task, model))

    assert mask == task.mask
    assert events[0] == Progress(stage="read", done=0, total=1, fraction=0.0)
    assert [event.stage for event in events if isinstance(event, StageDone)] == ["kidney", "lesion"]
    assert events[-1] == Progress(stage="fuse", done=1, total=1, fraction=1.0)


def test_a_second_run_skips_what_is_done(bundle, two_scans, tmp_path, call):
    arguments = ("segment", two_scans, "--output", tmp_path / "out", *TORCH, "--json")
    first = call(*arguments)
    (tmp_path / "out" / "b_seg.nii.gz").unlink()

    second = call(*arguments)

    assert statuses(first) == ["done", "done"]
    assert statuses(second) == ["skipped", "done"]
    assert second.records[0]["volumes_ml"] == first.records[0]["volumes_ml"]


def test_overwrite_makes_every_mask_again(bundle, two_scans, tmp_path, call):
    arguments = ("segment", two_scans, "--output", tmp_path / "out", *TORCH, "--json")
    call(*arguments)

    assert statuses(call(*arguments, "--overwrite")) == ["done", "done"]


def test_a_mask_of_another_scan_is_not_replaced_unasked(bundle, scan, write_scan, two_scans, tmp_path, call):
    arguments = ("segment", two_scans, "--output", tmp_path / "out", *TORCH, "--json")
    call(*arguments)
    write_scan(scan.with_array(scan.array + 1), two_scans / "a.nii.gz")
    before = (tmp_path / "out" / "a_seg.nii.gz").read_bytes()

    outcome = call(*arguments)

    assert outcome.code == 1
    assert statuses(outcome) == ["failed", "skipped"]
    assert "replace it with --overwrite" in outcome.records[0]["error"]
    assert (tmp_path / "out" / "a_seg.nii.gz").read_bytes() == before


def test_a_batch_goes_on_after_a_damaged_scan_and_tells_it_at_the_end(bundle, two_scans, tmp_path, call):
    (two_scans / "a.nii.gz").write_bytes(b"no image")

    outcome = call("segment", two_scans, "--output", tmp_path / "out", *TORCH)

    assert outcome.code == 1
    assert (tmp_path / "out" / "b_seg.nii.gz").is_file()
    assert not (tmp_path / "out" / "a_seg.nii.gz").exists()
    assert "1 of 2 scans segmented" in outcome.out
    assert "a.nii.gz" in outcome.out.split("1 of 2 scans segmented")[1]
    assert "Traceback" not in outcome.out + outcome.err


def test_scans_of_one_name_in_different_folders_get_masks_of_their_own(bundle, scan, write_scan, tmp_path, call):
    write_scan(scan, tmp_path / "in" / "p1" / "ct.nii.gz")
    write_scan(scan, tmp_path / "in" / "p2" / "ct.nii.gz")

    call("segment", tmp_path / "in", "--output", tmp_path / "out", *TORCH)

    masks = sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz"))
    assert masks == ["p1_ct_seg.nii.gz", "p2_ct_seg.nii.gz"]


def test_an_empty_result_is_a_result_with_a_notice(bundle, scan, write_scan, tmp_path, call):
    path = write_scan(scan.with_array(np.minimum(scan.array, 0)), tmp_path / "ct.nii.gz")

    outcome = call("segment", path, "--output", tmp_path / "out", *TORCH, "--json")

    assert outcome.code == 0
    assert "no_kidney" in [notice["code"] for notice in outcome.records[0]["notices"]]
    assert not read_labels(tmp_path / "out" / "ct_seg.nii.gz").array.any()


def test_the_warnings_of_a_mask_that_is_there_are_told_again(bundle, scan, write_scan, tmp_path, call):
    path = write_scan(scan.with_array(np.minimum(scan.array, 0)), tmp_path / "ct.nii.gz")
    call("segment", path, "--output", tmp_path / "out", *TORCH)

    again = call("segment", path, "--output", tmp_path / "out", *TORCH)

    assert "was there already" in again.out
    assert again.out.count("No kidney was found.") == 1


def test_a_mask_that_is_there_and_was_edited_by_a_person_is_called_so(bundle, scan, write_scan, tmp_path, call):
    path, out = write_scan(scan, tmp_path / "ct.nii.gz"), tmp_path / "out"
    call("segment", path, "--output", out, *TORCH)
    record = read_sidecar(out / "ct_seg.nii.gz")
    write_sidecar(out / "ct_seg.nii.gz", replace(record, notices=(*record.notices, EDITED)))

    again = call("segment", path, "--output", out, *TORCH)

    assert "(was there already, edited by a person)" in again.out


def test_the_preset_is_that_of_the_bundle_unless_another_is_asked_for(bundle, monkeypatch):
    card = replace(read_card(bundle), preset="paper")
    monkeypatch.setattr("napari_kidney_seg.cli.batch.read_card", lambda _: card)
    monkeypatch.setattr("napari_kidney_seg.cli.batch.load_bundle", lambda path, method: method.preset)
    options = RunOptions(device="cpu")

    assert open_model("oracle", None, bundle, options).bundle == "paper"
    assert open_model("oracle", "compact", bundle, options).bundle == "compact"
    assert open_model("oracle", None, None, options).bundle == "compact"


def test_the_preset_of_a_bundle_of_another_method_is_not_taken(bundle, monkeypatch):
    card = replace(read_card(bundle), method="rcnn-vnet", preset="sliding")
    monkeypatch.setattr("napari_kidney_seg.cli.batch.read_card", lambda _: card)
    monkeypatch.setattr("napari_kidney_seg.cli.batch.load_bundle", lambda path, method: method.preset)

    assert open_model("oracle", None, bundle, RunOptions(device="cpu")).bundle == "compact"


def test_a_class_that_the_method_does_not_know_has_no_volume(bundle, scan, write_scan, tmp_path, call, monkeypatch):
    without_cyst = replace(METHOD, classes=("kidney", "tumor"))
    monkeypatch.setattr("tests.cli.oracle_method.METHOD", without_cyst)
    path = write_scan(scan, tmp_path / "ct.nii.gz")

    (record,) = call("segment", path, "--output", tmp_path / "out", *TORCH, "--json").records

    assert set(record["volumes_ml"]) == {"kidney", "tumor"}
    (notice,) = [one["text"] for one in record["notices"] if one["code"] == "unknown_class"]
    assert "knows no cyst: none was looked for" in notice


def test_a_chosen_averaging_is_made_told_and_recorded(bundle, scan, labels, write_scan, tmp_path, call):
    path = write_scan(scan, tmp_path / "ct.nii.gz")

    outcome = call("segment", path, "--output", tmp_path / "out", "--averaging", "mirrored", *TORCH)

    record = read_sidecar(tmp_path / "out" / "ct_seg.nii.gz")
    assert outcome.code == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "ct_seg.nii.gz").array, labels)
    assert record.averaging == "mirrored"
    assert "averaging" in [notice.code for notice in record.notices]
    assert "the mean of 3 predictions of each window (plain and mirrored 2 ways)" in outcome.out


def test_a_mask_of_another_averaging_is_not_taken_for_done(bundle, scan, write_scan, tmp_path, call):
    path = write_scan(scan, tmp_path / "ct.nii.gz")
    arguments = ("segment", path, "--output", tmp_path / "out", *TORCH, "--json")
    call(*arguments, "--averaging", "mirrored")

    assert statuses(call(*arguments, "--averaging", "mirrored")) == ["skipped"]
    (other,) = call(*arguments).records
    assert "with the method, bundle, averaging and precision asked for. Choose another --output" in other["error"]


def test_an_averaging_that_the_method_does_not_offer_is_refused(bundle, tmp_path, call):
    outcome = call("segment", tmp_path, "--output", tmp_path / "out", "--averaging", "paper", *TORCH)

    assert outcome.code == 1
    assert "'oracle' has no averaging 'paper'. Choose one of 'mirrored'." in outcome.err


def test_the_series_is_handed_to_the_reader(bundle, scan, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("napari_kidney_seg.cli.batch.read_volume", lambda path, *, series: asked.append(series) or scan)
    task = ScanTask(scan=tmp_path, mask=tmp_path / "out" / "ct_seg.nii.gz", series="1.2.3")
    model = open_model("oracle", "compact", None, RunOptions(device="cpu", engine="torch"))

    finished(segment_case(task, model))

    assert asked == ["1.2.3"]


def test_a_bundle_of_another_method_is_refused_before_any_scan_is_read(bundle, tmp_path, call):
    outcome = call("segment", tmp_path, "--output", tmp_path / "out", "--bundle", tmp_path / "gone.safetensors", *TORCH)

    assert outcome.code == 1
    assert "No bundle at" in outcome.err


def test_a_method_without_weights_says_where_to_put_them(models, registered):
    with pytest.raises(BundleError, match="No bundle for method 'oracle'"):
        open_model("oracle", "compact", None, RunOptions())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda hu: (hu > 0).astype(np.int16), "looks like a mask, not a scan"),
        (lambda hu: np.clip(hu, 0, 250).astype(np.int16), "8-bit picture"),
        (lambda hu: (np.clip(hu, -1000, 1000) / 1000).astype(np.float32), "no longer in Hounsfield units"),
    ],
)
def test_what_is_no_ct_is_refused_and_leaves_no_mask(bundle, scan, write_scan, tmp_path, call, change, reason):
    path = write_scan(scan.with_array(change(scan.array)), tmp_path / "ct.nii.gz")
    arguments = ("segment", path, "--output", tmp_path / "out", *TORCH)

    outcome = call(*arguments, "--json")

    assert outcome.code == 1
    assert reason in outcome.records[0]["error"]
    assert outcome.records[0]["error"].endswith("add --force.")
    assert not (tmp_path / "out" / "ct_seg.nii.gz").exists()


def test_what_is_no_ct_can_be_forced_and_is_counted_as_doubtful(bundle, scan, write_scan, tmp_path, call):
    path = write_scan(scan.with_array(np.clip(scan.array, 0, 250)), tmp_path / "ct.nii.gz")

    outcome = call("segment", path, "--output", tmp_path / "out", "--force", *TORCH)

    assert outcome.code == 0
    assert (tmp_path / "out" / "ct_seg.nii.gz").is_file()
    assert "1 of 1 scans segmented, 1 with a warning: look at it first." in " ".join(outcome.out.split())


def test_the_precision_is_recorded_and_a_mask_of_another_is_not_done(bundle, two_scans, tmp_path, call):
    arguments = ("segment", two_scans / "a.nii.gz", "--output", tmp_path / "out", *TORCH, "--json")
    call(*arguments)
    assert read_sidecar(tmp_path / "out" / "a_seg.nii.gz").precision == "float32"

    assert statuses(call(*arguments)) == ["skipped"]
    assert statuses(call(*arguments, "--precision", "bfloat16")) == ["failed"]
    assert statuses(call(*arguments, "--precision", "bfloat16", "--overwrite")) == ["done"]
    assert read_sidecar(tmp_path / "out" / "a_seg.nii.gz").precision == "bfloat16"
    assert statuses(call(*arguments)) == ["skipped"]


def test_a_device_that_is_not_there_is_told_before_the_first_scan(bundle, two_scans, tmp_path, call, monkeypatch):
    monkeypatch.setattr("napari_kidney_seg.core.device._accelerators", list)

    outcome = call("segment", two_scans, "--output", tmp_path / "out", "--method", "oracle", "--device", "cuda")

    assert outcome.code == 1
    assert outcome.err.startswith("Error: The device 'cuda' was asked for; this machine has cpu.")
    assert outcome.out == ""


def test_in_a_log_a_path_is_never_broken(bundle, two_scans, tmp_path, call):
    folder = tmp_path / ("a_rather_long_name_of_a_folder_" * 4)
    (two_scans / "a.nii.gz").write_bytes(b"no image")

    outcome = call("segment", two_scans, "--output", folder, *TORCH)

    assert f"[1/2] {two_scans / 'a.nii.gz'}: failed" in outcome.out
    assert f"Weights: {bundle}" in outcome.out
