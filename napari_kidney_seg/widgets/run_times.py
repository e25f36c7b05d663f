"""How long each method took on this machine, remembered from run to run."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_kidney_seg.core.errors import UnwritableImageError
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.atomic import replacing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunTime:
    """One complete run: its seconds, on what, and how large the scan was (z, y, x)."""

    seconds: float
    engine: str
    device: str
    shape: tuple[int, int, int]


def times_file() -> Path:
    """Return the file that keeps the last run of each method and preset."""
    from platformdirs import user_cache_path

    return user_cache_path("napari-kidney-seg", appauthor=False) / "run_times.json"


def remember(method: Method, time: RunTime) -> None:
    """Keep `time` as the last run of `method` at its preset; a cache that cannot be written is only logged."""
    path = times_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = _known(path) | {_key(method): asdict(time)}
        with replacing(path) as part:
            part.write_text(json.dumps(known), encoding="utf-8")
    except (OSError, UnwritableImageError):
        logger.debug("%s cannot be written", path, exc_info=True)


def last_time(method: Method) -> RunTime | None:
    """Return the last run of `method` at its preset on this machine, or None."""
    record = _known(times_file()).get(_key(method))
    try:
        return RunTime(**{**record, "shape": tuple(record["shape"])}) if record else None
    except (KeyError, TypeError):
        return None


def _key(method: Method) -> str:
    return f"{method.name}/{method.preset}"


def _known(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
