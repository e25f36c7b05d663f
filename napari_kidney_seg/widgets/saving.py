"""Save a mask beside its scan, with the record of how it was made. No Qt: runs in a worker's thread."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_kidney_seg.core.events import Event, Notice, Progress
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.bundle import Bundle, read_card
from napari_kidney_seg.io.images import write_labels
from napari_kidney_seg.io.naming import mask_path_for
from napari_kidney_seg.io.sidecar import RunRecord, installed_versions, write_sidecar
from napari_kidney_seg.widgets.job import SegmentJob

if TYPE_CHECKING:
    from napari_kidney_seg.inference.cascade import CascadeResult

EDITED = Notice(code="edited", text="The mask was edited by a person after the run.", level="info")


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedRun:
    """A run that returned: what was asked, what came, and when."""

    job: SegmentJob
    result: CascadeResult
    started: datetime
    finished: datetime


def default_mask_path(labels: LabelVolume) -> Path | None:
    """Return ``<scan>_seg.nii.gz`` beside the scan's file; None for a scan that is in no file."""
    return mask_path_for(labels.source.path) if labels.source else None


def save_mask(labels: LabelVolume, path: Path, run: FinishedRun | None) -> Generator[Event, None, Path]:
    """Write the mask, read it back, write its sidecar when a run made it, and return `path`.

    Raises
    ------
    KidneySegError
        When the mask cannot be written or does not read back the same; an earlier file is unchanged.
    """
    yield Progress(stage="save", done=0, total=1, fraction=0.0)
    write_labels(labels, path)
    if run is not None:
        write_sidecar(path, run_record(labels, run))
    return path


def run_record(labels: LabelVolume, run: FinishedRun) -> RunRecord:
    """Return what made `labels`, with the volumes they have now."""
    choice, result = run.job.choice, run.result
    source = run.job.volume.source
    is_edited = not np.array_equal(labels.array, result.labels.array)
    return RunRecord(
        source=str(source.path) if source else labels.name,
        source_sha256=source.sha256 if source else "",
        method=choice.method,
        preset=choice.preset,
        bundle_sha256=Bundle(choice.bundle, read_card(choice.bundle)).sha256,
        averaging=choice.averaging,
        engine=result.engine,
        device=result.device,
        versions=installed_versions(),
        started=run.started.isoformat(timespec="seconds"),
        finished=run.finished.isoformat(timespec="seconds"),
        seconds=dict(result.seconds),
        volumes_ml={label.name: round(labels.volume_ml(label.name), 3) for label in labels.schema.labels},
        notices=(*result.notices, *((EDITED,) if is_edited else ())),
    )
