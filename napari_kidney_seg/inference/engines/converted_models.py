"""Networks converted for OpenVINO, kept on disk: converting takes seconds, reading back a tenth of one."""

from __future__ import annotations

import hashlib
import inspect
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openvino as ov

from napari_kidney_seg import __version__
from napari_kidney_seg.inference.engines.engine import NetworkSpec
from napari_kidney_seg.io.atomic import filling

logger = logging.getLogger(__name__)
KEPT = 24  # models, some 8 MB each; the one unused longest goes first
MODEL = "model.xml"


def models_folder() -> Path:
    """Return the folder that keeps converted models."""
    from platformdirs import user_cache_path

    return user_cache_path("napari-kidney-seg", appauthor=False) / "openvino"


def kept_model(spec: NetworkSpec, core: ov.Core, convert: Callable[[], ov.Model]) -> ov.Model:
    """Return the model of `spec` from disk, or else what `convert` returns, which is then kept.

    A cache that cannot be read or written is only logged. Networks without a key are never kept.
    """
    if not spec.key:
        return convert()
    folder = models_folder() / _digest(spec)
    if (folder / MODEL).is_file():
        try:
            folder.touch()
            return core.read_model(folder / MODEL)
        except (OSError, RuntimeError):
            logger.warning("the converted model %s cannot be read and is made anew", folder, exc_info=True)
            shutil.rmtree(folder, ignore_errors=True)
    model = convert()
    try:
        with filling(folder) as part:
            ov.save_model(model, part / MODEL, compress_to_fp16=False)
        _drop_old(folder.parent)
    except (OSError, RuntimeError):
        logger.debug("%s cannot be written", folder, exc_info=True)
    return model


def _digest(spec: NetworkSpec) -> str:
    """Return a name that changes with whatever the converted model depends on: weights, code, window, versions."""
    code = Path(inspect.getfile(type(spec.module()))).read_bytes()
    facts: tuple[Any, ...] = (spec.key, spec.stage.channels, spec.window, ov.__version__, __version__)
    return hashlib.sha256(repr(facts).encode() + code).hexdigest()[:32]


def _drop_old(folder: Path) -> None:
    kept = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in kept[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
