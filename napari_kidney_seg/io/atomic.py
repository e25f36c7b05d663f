"""Replace a file, or make a folder, in one step: whoever looks sees the old or the new one, never half of either."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_kidney_seg.core.errors import UnwritableImageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and move it onto `path` when the block ends without an error.

    The block must write the temporary file; its name ends like that of `path`, so writers that go by suffix work.
    After any error the temporary file is gone and `path` is what it was before.

    Raises
    ------
    UnwritableImageError
        When the disk is full, the folder is missing or may not be written, or the file cannot be replaced.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UnwritableImageError(
            f"Writing {str(path)!r} failed: {error}. Any earlier file of that name is unchanged. "
            "Check that the folder exists, may be written and has free space, or save to another folder."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, which becomes it when the block ends without an error.

    For what is kept to save work: another process may be making the same at once, and whose folder was first stays.

    Raises
    ------
    OSError
        When nothing can be written there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        if not folder.is_dir():
            temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until a renaming in `folder` is on the disk, where folders can be opened at all (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
