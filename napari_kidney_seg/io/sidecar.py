"""How a mask was made: a JSON file beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_kidney_seg.core.errors import UnreadableImageError, UnwritableImageError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.io.atomic import replacing
from napari_kidney_seg.io.naming import image_suffix

FORMAT = "napari-kidney-seg run record 1"
EDITED = Notice(code="edited", text="The mask was edited by a person after the run.", level="info")
_PACKAGES = ("napari-kidney-seg", "torch", "monai", "nibabel")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What made a mask.

    Attributes
    ----------
    source : str
        Path of the scan.
    source_sha256 : str
        Of the scan's file; empty for a DICOM folder.
    method, preset : str
    bundle_sha256 : str
        Of the weights.
    averaging : str
        Name of the choice of how many predictions are averaged; empty for what the preset does by itself.
    engine, device : str
        E.g. ``"openvino"`` on ``"cpu"``.
    precision : str
        What the networks computed with, e.g. ``"float32"``.
    versions : mapping of package to version
    started, finished : str
        ISO 8601 with time zone.
    seconds : mapping of stage to seconds
    volumes_ml : mapping of label name to ml
    notices : tuple of Notice
    """

    source: str
    source_sha256: str
    method: str
    preset: str
    bundle_sha256: str
    engine: str
    device: str
    versions: Mapping[str, str] = field(default_factory=dict)
    started: str
    finished: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    averaging: str = ""
    precision: str = ""


def installed_versions() -> dict[str, str]:
    """Return the versions of this package and of those that change its results; nothing is imported for it."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def sidecar_path_for(mask_path: str | Path) -> Path:
    """Return where the record of a mask lies: ``<scan>_seg.json`` beside ``<scan>_seg.nii.gz``."""
    mask = Path(mask_path)
    return mask.with_name(mask.name[: len(mask.name) - len(image_suffix(mask))] + ".json")


def write_sidecar(mask_path: str | Path, record: RunRecord) -> Path:
    """Write the record of a mask beside it, in one step, and return its path.

    Raises
    ------
    UnwritableImageError
        When the file cannot be written; an earlier one is unchanged.
    """
    path = sidecar_path_for(mask_path)
    content = {"format": FORMAT} | asdict(record)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def remove_sidecar(mask_path: str | Path) -> None:
    """Remove the record beside a mask that it does not describe any more; a JSON file of anything else stays.

    Raises
    ------
    UnwritableImageError
        When it cannot be removed.
    """
    path = sidecar_path_for(mask_path)
    try:
        if path.exists() and json.loads(path.read_text(encoding="utf-8")).get("format") == FORMAT:
            path.unlink()
    except (ValueError, AttributeError):
        return  # not ours
    except OSError as error:
        raise UnwritableImageError(
            f"{str(path)!r} describes the mask that was there before and cannot be removed: {error}. Remove it by hand."
        ) from error


def read_sidecar(mask_path: str | Path) -> RunRecord:
    """Return the record beside a mask.

    Raises
    ------
    UnreadableImageError
        When there is none, or it is damaged.
    """
    path = sidecar_path_for(mask_path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        notices = tuple(Notice(**notice) for notice in content["notices"])
        names = {one.name for one in fields(RunRecord)} - {"notices"}
        known = {name: content[name] for name in names & content.keys()}  # an earlier version knew fewer
        return RunRecord(**known, notices=notices)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnreadableImageError(
            f"{str(path)!r} is no record of a run ({error!r}); needed the JSON file written with the mask. "
            "Segment the scan again to have one."
        ) from error
