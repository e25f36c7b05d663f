from __future__ import annotations

import json
from dataclasses import replace

import pytest

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.io import RunRecord, installed_versions, read_sidecar, write_sidecar


@pytest.fixture
def record() -> RunRecord:
    return RunRecord(
        source="/scans/Müller.nii.gz",
        source_sha256="ab" * 32,
        method="resunet-2.5d",
        preset="compact",
        bundle_sha256="cd" * 32,
        engine="openvino",
        device="cpu",
        versions={"torch": "2.4.0"},
        started="2026-01-02T03:04:05+00:00",
        finished="2026-01-02T03:05:05+00:00",
        seconds={"coarse": 1.5},
        volumes_ml={"kidney": 310.25, "tumor": 0.0},
        averaging="single+TTA",
        notices=(Notice(code="no_tumor", text="No tumor was found.", level="info"),),
    )


def test_a_record_reads_back_equal(tmp_path, record):
    path = write_sidecar(tmp_path / "case_seg.nii.gz", record)

    assert path == tmp_path / "case_seg.json"
    assert read_sidecar(tmp_path / "case_seg.nii.gz") == record


def test_the_file_is_plain_json_for_other_programs(tmp_path, record):
    content = json.loads(write_sidecar(tmp_path / "case_seg.nii.gz", record).read_text(encoding="utf-8"))

    assert content["volumes_ml"] == {"kidney": 310.25, "tumor": 0.0}
    assert content["notices"] == [{"code": "no_tumor", "text": "No tumor was found.", "level": "info"}]
    assert content["format"] == "napari-kidney-seg run record 1"


def test_a_record_from_before_averaging_could_be_chosen_is_read(tmp_path, record):
    path = write_sidecar(tmp_path / "case_seg.nii.gz", record)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["averaging"]
    path.write_text(json.dumps(content), encoding="utf-8")

    assert read_sidecar(tmp_path / "case_seg.nii.gz") == replace(record, averaging="")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"notices": [1]}', "\0"])
def test_a_damaged_record_is_refused(tmp_path, text):
    (tmp_path / "case_seg.json").write_text(text)

    with pytest.raises(UnreadableImageError, match="is no record of a run"):
        read_sidecar(tmp_path / "case_seg.nii.gz")


def test_versions_name_the_packages_that_change_results():
    versions = installed_versions()

    assert set(versions) == {"napari-kidney-seg", "torch", "monai", "nibabel"}
    assert versions["nibabel"][0].isdigit()
