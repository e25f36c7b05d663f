from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from napari_kidney_seg.core.errors import UnwritableImageError
from napari_kidney_seg.io.atomic import replacing


@pytest.fixture
def old(tmp_path) -> Path:
    path = tmp_path / "mask.nii.gz"
    path.write_text("old")
    return path


def write_new(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("new")


def assert_untouched(old: Path) -> None:
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_the_new_file_takes_the_place_of_the_old_one(old):
    write_new(old)

    assert old.read_text() == "new"
    assert list(old.parent.iterdir()) == [old]


def test_the_old_file_is_there_until_the_new_one_is_whole(old):
    with replacing(old) as temporary:
        temporary.write_text("half")
        assert old.read_text() == "old"
        assert temporary.name.endswith(".nii.gz")


@pytest.mark.parametrize("broken", ["replace", "fsync", "write"])
def test_a_full_disk_leaves_the_old_file_and_no_rest(old, monkeypatch, broken):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    owner, name = {"replace": (Path, "replace"), "fsync": (os, "fsync"), "write": (Path, "write_text")}[broken]
    monkeypatch.setattr(owner, name, full)

    with pytest.raises(
        UnwritableImageError, match=r"No space left on device.*Any earlier file of that name is unchanged"
    ):
        write_new(old)
    monkeypatch.undo()
    assert_untouched(old)


def test_any_other_error_in_the_block_passes_through_and_leaves_the_old_file(old):
    def fail() -> None:
        with replacing(old) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert_untouched(old)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UnwritableImageError, match="Check that the folder exists"):
        write_new(tmp_path / "absent" / "mask.nii.gz")
