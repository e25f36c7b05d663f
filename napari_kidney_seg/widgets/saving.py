"""Save a mask beside its scan, with the record of how it was made. No Qt: runs in a worker's thread."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_kidney_seg.core.errors import UnreadableImageError, UnwritableImageError
from napari_kidney_seg.core.events import Event, Notice, Progress
from napari_kidney_seg.core.volume import LabelVolume, Source
from napari_kidney_seg.io.bundle import Bundle, read_card
from napari_kidney_seg.io.images import read_labels, write_labels
from napari_kidney_seg.io.naming import mask_path_for
from napari_kidney_seg.io.sidecar import (
    EDITED,
    RunRecord,
    installed_versions,
    read_sidecar,
    remove_sidecar,
    write_sidecar,
)
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.widgets.job import MethodChoice, SegmentJob

if TYPE_CHECKING:
    from napari_kidney_seg.inference.cascade import CascadeResult

GIVEN = "given_mask"  # code of the notices that a stage was not run
EMPTY = Notice(code="empty_mask", text="The saved mask is empty: no voxel is kidney, tumor or cyst.")


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedRun:
    """A run that returned: what was asked, what came, and when. Of the scan it keeps no voxels.

    Attributes
    ----------
    choice : MethodChoice
    source : Source or None
        The file of the scan.
    given : tuple of str
        Stages whose place a person's mask took.
    result : CascadeResult
        Without the outputs of the stages.
    started, finished : datetime
    """

    choice: MethodChoice
    source: Source | None
    given: tuple[str, ...]
    result: CascadeResult
    started: datetime
    finished: datetime

    @classmethod
    def of(cls, job: SegmentJob, result: CascadeResult, started: datetime) -> FinishedRun:
        """Return the record of the run of `job` that has just returned `result`."""
        return cls(
            choice=job.choice,
            source=job.volume.source,
            given=tuple(job.given),
            result=replace(result, outputs={}),
            started=started,
            finished=datetime.now().astimezone(),
        )


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """What made a mask: the run in this session, or the file it was opened from; neither for one drawn by hand."""

    run: FinishedRun | None = None
    opened_from: Path | None = None


def default_mask_path(source: Source | None) -> Path | None:
    """Return ``<scan>_seg.nii.gz`` beside the scan's file; None for a scan that is in no file."""
    return mask_path_for(source.path) if source is not None else None


def save_mask(labels: LabelVolume, path: Path, made_by: MadeBy) -> Generator[Event, None, Path]:
    """Write the mask, read it back, bring the sidecar beside it up to date, and return `path`.

    A mask that a run made gets a sidecar. One that was opened keeps what its own says of the run, with the note that a
    person edited it where they did. Beside any other mask an earlier sidecar would lie about it, and is removed.

    Raises
    ------
    KidneySegError
        When the mask cannot be written or does not read back the same; an earlier file is unchanged. That the sidecar
        cannot be written, or the mask is empty, is a notice: the mask is saved then.
    """
    yield Progress(stage="save", done=0, total=1, fraction=0.0)
    record = _record(labels, made_by)
    write_labels(labels, path)
    try:
        if record is not None:
            write_sidecar(path, record)
        else:
            remove_sidecar(path)
    except UnwritableImageError as error:
        yield Notice(code="no_record", text=f"The mask is saved; the record beside it is not up to date. {error}")
    if not labels.array.any():
        yield EMPTY
    return path


def _record(labels: LabelVolume, made_by: MadeBy) -> RunRecord | None:
    """Return what is to lie beside `labels`; None where nothing is known of a run."""
    if made_by.run is not None:
        return run_record(labels, made_by.run)
    opened = made_by.opened_from
    before = record_beside(opened) if opened is not None else None
    if before is None or opened is None:
        return None
    return before if _is_unchanged(labels, opened) else _edited(before, labels)


def _is_unchanged(labels: LabelVolume, file: Path) -> bool:
    try:
        return np.array_equal(labels.array, read_labels(file).array)
    except (OSError, UnreadableImageError):
        return False  # gone, or overwritten by something else


def record_beside(mask: Path) -> RunRecord | None:
    """Return the record beside the file of a mask; None when there is none."""
    try:
        return read_sidecar(mask)
    except UnreadableImageError:
        return None  # also where the JSON file is one of something else


def _edited(record: RunRecord, labels: LabelVolume) -> RunRecord:
    notices = tuple(one for one in record.notices if one.code != EDITED.code)
    return replace(record, volumes_ml=_volumes(labels), notices=(*notices, EDITED))


def _volumes(labels: LabelVolume) -> dict[str, float]:
    return {label.name: round(labels.volume_ml(label.name), 3) for label in labels.schema.labels}


def given_notice(stage: str) -> Notice:
    """Return the note that a person's mask took the place of a stage."""
    text = f"The stage {stage!r} was not run: the mask of a person took its place."
    return Notice(code=GIVEN, text=text, level="info")


def run_record(labels: LabelVolume, run: FinishedRun) -> RunRecord:
    """Return what made `labels`, with the volumes they have now."""
    choice, result, source = run.choice, run.result, run.source
    known = get_method(choice.method, choice.preset).classes
    is_edited = not np.array_equal(labels.array, result.labels.array)
    added = (*(given_notice(stage) for stage in run.given), *((EDITED,) if is_edited else ()))
    return RunRecord(
        source=str(source.path) if source else labels.name,
        source_sha256=source.sha256 if source else "",
        method=choice.method,
        preset=choice.preset,
        bundle_sha256=Bundle(choice.bundle, read_card(choice.bundle)).sha256,
        averaging=choice.averaging,
        engine=result.engine,
        device=result.device,
        precision=result.precision,
        versions=installed_versions(),
        started=run.started.isoformat(timespec="seconds"),
        finished=run.finished.isoformat(timespec="seconds"),
        seconds=dict(result.seconds),
        volumes_ml={name: ml for name, ml in _volumes(labels).items() if ml or name in known},
        notices=(*result.notices, *added),
    )
