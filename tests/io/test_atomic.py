from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from napari_kidney_seg.core.errors import UnwritableImageError
from napari_kidney_seg.io.atomic import filling, replacing


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


class TestFilling:
    def test_the_folder_appears_whole(self, tmp_path):
        folder = tmp_path / "cache" / "case"

        with filling(folder) as part:
            (part / "image").write_text("content")
            assert not folder.exists()

        assert (folder / "image").read_text() == "content"
        assert list(folder.parent.iterdir()) == [folder]

    def test_an_error_leaves_nothing(self, tmp_path):
        def fail() -> None:
            with filling(tmp_path / "case") as part:
                (part / "image").write_text("half")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        assert list(tmp_path.iterdir()) == []

    def test_a_full_disk_is_told_and_leaves_nothing(self, tmp_path):
        def fail() -> None:
            with filling(tmp_path / "case"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(OSError, match="No space left"):
            fail()

        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("other_is_seen", ["before the renaming", "by the renaming"])
    def test_the_folder_of_another_process_that_was_first_stays(self, tmp_path, monkeypatch, other_is_seen):
        folder = tmp_path / "case"

        def other_process(*_args) -> None:
            folder.mkdir()
            (folder / "image").write_text("theirs")

        def overtaken(part: Path, target: Path) -> None:
            other_process()
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(target))

        with filling(folder) as part:
            (part / "image").write_text("ours")
            if other_is_seen == "by the renaming":
                monkeypatch.setattr(Path, "rename", overtaken)
            else:
                other_process()
        monkeypatch.undo()

        assert (folder / "image").read_text() == "theirs"
        assert list(tmp_path.iterdir()) == [folder]
