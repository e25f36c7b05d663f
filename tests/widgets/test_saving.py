"""What lies beside a saved mask: the record of the run that made it, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_kidney_seg.core.errors import UnwritableImageError
from napari_kidney_seg.io.images import read_labels, write_labels
from napari_kidney_seg.io.sidecar import EDITED, read_sidecar, sidecar_path_for, write_sidecar
from napari_kidney_seg.widgets.saving import MadeBy, default_mask_path, save_mask


def test_an_opened_mask_keeps_its_record_with_the_volumes_of_now(tmp_path, mask, record):
    opened, path = tmp_path / "opened.nii.gz", tmp_path / "saved.nii.gz"
    write_labels(replace(mask, array=np.zeros_like(mask.array)), opened)
    write_sidecar(opened, record)

    list(save_mask(mask, path, MadeBy(opened_from=opened)))
    list(save_mask(mask, path, MadeBy(opened_from=path)))  # once more: the notice is not doubled

    voxel_ml = 5 * 0.8 * 0.9 / 1000
    assert read_sidecar(path) == replace(
        record,
        volumes_ml={"kidney": round(94 * voxel_ml, 3), "tumor": round(4 * voxel_ml, 3), "cyst": round(2 * voxel_ml, 3)},
        notices=(*record.notices, EDITED),
    )


def test_a_mask_saved_as_it_was_opened_was_edited_by_nobody(tmp_path, mask, record):
    opened, path = tmp_path / "opened.nii.gz", tmp_path / "saved.nii.gz"
    write_labels(mask, opened)
    write_sidecar(opened, record)

    list(save_mask(mask, path, MadeBy(opened_from=opened)))

    assert read_sidecar(path) == record


def test_a_record_that_cannot_be_written_is_a_notice_and_the_mask_is_saved(tmp_path, mask, record, monkeypatch):
    def full(*_):
        raise UnwritableImageError("No space left.")

    opened, path = tmp_path / "opened.nii.gz", tmp_path / "saved.nii.gz"
    write_sidecar(opened, record)
    monkeypatch.setattr("napari_kidney_seg.widgets.saving.write_sidecar", full)

    _, notice = save_mask(mask, path, MadeBy(opened_from=opened))

    assert notice.text == "The mask is saved; the record beside it is not up to date. No space left."
    np.testing.assert_array_equal(read_labels(path).array, mask.array)


def test_an_empty_mask_is_saved_and_called_empty(tmp_path, mask, record):
    path = tmp_path / "saved.nii.gz"
    write_sidecar(path, record)

    _, notice = save_mask(replace(mask, array=np.zeros_like(mask.array)), path, MadeBy())

    assert not sidecar_path_for(path).exists()  # it was of another mask
    assert notice.text == "The saved mask is empty: no voxel is kidney, tumor or cyst."
    assert not read_labels(path).array.any()


def test_a_mask_drawn_by_hand_takes_the_record_of_another_away(tmp_path, mask, record):
    path = tmp_path / "case_seg.nii.gz"
    write_sidecar(path, record)

    list(save_mask(mask, path, MadeBy()))

    assert path.exists()
    assert not sidecar_path_for(path).exists()


def test_a_file_of_something_else_beside_a_mask_stays(tmp_path, mask):
    path = tmp_path / "case_seg.nii.gz"
    for content in ("[1, 2]", '{"RepetitionTime": 2}', "no json"):
        sidecar_path_for(path).write_text(content)

        list(save_mask(mask, path, MadeBy(opened_from=path)))

        assert sidecar_path_for(path).read_text() == content


def test_a_scan_in_no_file_has_no_default_path():
    assert default_mask_path(None) is None
