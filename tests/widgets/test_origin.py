"""What made a mask is told in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.io.sidecar import write_sidecar
from napari_kidney_seg.widgets.origin import Origin, origin_of
from napari_kidney_seg.widgets.saving import MadeBy


@pytest.fixture
def opened(tmp_path):
    return tmp_path / "case_seg.nii.gz"


def test_an_opened_mask_tells_its_run_and_what_that_warned_of(opened, record):
    edited = Notice(code="edited", text="Edited.", level="info")
    write_sidecar(opened, replace(record, finished="2026-11-26T08:30:00+00:00", notices=(*record.notices, edited)))

    origin = origin_of(MadeBy(opened_from=opened))

    assert origin.text == "Opened from case_seg.nii.gz, made by resunet-2.5d (compact) on 2026-11-26."
    assert origin.warnings == record.notices


def test_an_opened_mask_without_a_record_tells_its_file(opened):
    assert origin_of(MadeBy(opened_from=opened)) == Origin(text="Opened from case_seg.nii.gz.")


def test_a_mask_drawn_by_hand_has_nothing_to_tell():
    assert origin_of(MadeBy()) == Origin()
