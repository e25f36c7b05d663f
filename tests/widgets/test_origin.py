"""What made a mask is told in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.io.sidecar import EDITED, write_sidecar
from napari_kidney_seg.widgets.origin import Origin, origin_of
from napari_kidney_seg.widgets.saving import MadeBy, given_notice

MADE = "Opened from case_seg.nii.gz, made by Coarse-to-fine 2.5D ResUNet, compact, 2026-11-26 08:30."


@pytest.fixture
def opened(tmp_path):
    return tmp_path / "case_seg.nii.gz"


@pytest.fixture
def dated(record):
    return replace(record, finished="2026-11-26T08:30:12+00:00")


def test_an_opened_mask_tells_its_run_and_what_that_warned_of(opened, dated):
    told = Notice(code="out_of_reach", text="Something was left out.", level="info")
    write_sidecar(opened, replace(dated, notices=(*dated.notices, told)))

    assert origin_of(MadeBy(opened_from=opened)) == Origin(text=MADE, warnings=dated.notices)


def test_what_a_person_did_to_a_mask_is_told(opened, dated):
    write_sidecar(opened, replace(dated, notices=(given_notice("kidney"), EDITED)))

    assert origin_of(MadeBy(opened_from=opened)).text == (
        f"{MADE} The stage 'kidney' was not run: the mask of a person took its place. "
        "The mask was edited by a person after the run."
    )


def test_a_method_of_another_version_is_told_by_its_name(opened, dated):
    write_sidecar(opened, replace(dated, method="swin-kidney"))

    assert "made by swin-kidney, compact, 2026-11-26 08:30." in origin_of(MadeBy(opened_from=opened)).text


def test_an_opened_mask_without_a_record_tells_its_file(opened):
    assert origin_of(MadeBy(opened_from=opened)) == Origin(text="Opened from case_seg.nii.gz.")


def test_a_mask_drawn_by_hand_has_nothing_to_tell():
    assert origin_of(MadeBy()) == Origin()
