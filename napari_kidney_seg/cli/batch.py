"""Segmenting scans one after the other: what is done is skipped, a failure does not stop the rest."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from napari_kidney_seg.cli.console import follow, print_notice, print_record
from napari_kidney_seg.cli.scans import find_scans, mask_names
from napari_kidney_seg.core.averaging import find_averaging
from napari_kidney_seg.core.device import choose_device, choose_engine
from napari_kidney_seg.core.errors import KidneySegError, UnreadableImageError, UnwritableImageError
from napari_kidney_seg.core.events import Event, Notice, Progress
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.inference.cascade import CascadeResult, run_cascade
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.io.bundle import Bundle, load_bundle, read_card
from napari_kidney_seg.io.checks import why_no_ct
from napari_kidney_seg.io.images import read_volume, write_labels
from napari_kidney_seg.io.models import find_bundle
from napari_kidney_seg.io.sidecar import EDITED, RunRecord, installed_versions, read_sidecar, write_sidecar
from napari_kidney_seg.methods import get_method

if TYPE_CHECKING:
    from napari_kidney_seg.core.volume import Volume

logger = logging.getLogger(__name__)
# What reading, running and writing one scan may raise; of the rest, the next scan would fail too.
SCAN_ERRORS = (KidneySegError, OSError, MemoryError, RuntimeError, ValueError)
HALF = {"bfloat16": ("bfloat16", "float16")}  # older cards compute in float16 instead


class Existing(Enum):
    """What happens to a mask that is there already."""

    KEEP = "keep"
    REPLACE = "replace"


@dataclass(frozen=True, kw_only=True)
class Model:
    """What segments: a method at a preset, its weights, and how they are run."""

    method: Method
    bundle: Bundle
    options: RunOptions


@dataclass(frozen=True, kw_only=True)
class ScanTask:
    """A scan and where its mask goes.

    Attributes
    ----------
    scan : file, or folder of a DICOM series
    mask : Path
    series : SeriesInstanceUID of a DICOM folder, or None
    is_forced : bool
        Whether it is segmented also when its values are not those of a CT.
    """

    scan: Path
    mask: Path
    series: str | None = None
    is_forced: bool = False


def open_model(
    method: str, preset: str | None, bundle: Path | None, options: RunOptions, averaging: str | None = None
) -> Model:
    """Return the method with its weights checked against it; without `bundle` the preferred one of those here.

    Without `preset` it is that of `bundle`, else ``"compact"``.

    With `averaging`, the name of one of its averagings, that takes the place of the one in `options`.

    Raises
    ------
    UnknownMethodError
        When there is no such method, preset or averaging.
    BundleError
        When there are no weights for it, or they do not fit.
    KidneySegError
        When the device or the engine is not there.
    """
    choose_engine(options.engine, choose_device(options.device))
    chosen = get_method(method, preset or _preset_of(bundle, method))
    if averaging is not None:
        options = replace(options, averaging=find_averaging(chosen, averaging))
    return Model(method=chosen, bundle=load_bundle(bundle or find_bundle(chosen), chosen), options=options)


def _preset_of(bundle: Path | None, method: str) -> str:
    """Return the preset of a bundle of `method`; ``"compact"`` without one, or for one of another method."""
    card = read_card(bundle) if bundle is not None else None
    return card.preset if card is not None and card.method == method else "compact"


def plan_batch(
    inputs: Sequence[Path], output: Path, series: str | None = None, *, is_forced: bool = False
) -> tuple[ScanTask, ...]:
    """Return the scans in `inputs` with their masks in `output`, all of different names; make that folder.

    Raises
    ------
    UnreadableImageError
        When a path does not exist or none holds a scan.
    UnwritableImageError
        When masks cannot be written to `output`: better known before the first scan than after.
    """
    scans = find_scans(inputs, output)
    _make_writable(output)
    names = mask_names(scans)
    return tuple(
        ScanTask(scan=scan, mask=output / f"{name}_seg.nii.gz", series=series, is_forced=is_forced)
        for scan, name in zip(scans, names, strict=True)
    )


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UnwritableImageError(
            f"Masks cannot be written to {str(folder)!r} ({error.strerror or error}). Give another --output."
        ) from error


def segment_case(task: ScanTask, model: Model) -> Generator[Event, None, Path]:
    """Read a scan, segment it, write its mask and record; yield events, return the path of the mask.

    Raises
    ------
    UnreadableImageError
        When the file is no CT in Hounsfield units, and is not forced.
    InsufficientMemoryError
        When the networks do not fit into memory.
    UnwritableImageError
        When the mask cannot be written.
    """
    started = _now()
    yield Progress(stage="read", done=0, total=1, fraction=0.0)
    volume = read_volume(task.scan, series=task.series)
    reason = why_no_ct(volume)
    if reason is not None and not task.is_forced:
        raise UnreadableImageError(f"{reason.text} To segment it all the same, add --force.")
    yield from (Notice(code="scan", text=note, level="info") for note in volume.notes)
    result = yield from run_cascade(volume, model.method, model.bundle, options=model.options)
    task.mask.parent.mkdir(parents=True, exist_ok=True)
    record = _record(volume, model, result, started)
    if not task.mask.exists():  # the record first: a run killed between the two is then simply not done yet
        write_sidecar(task.mask, record)
    write_labels(result.labels, task.mask, like=volume.source)
    write_sidecar(task.mask, record)
    return task.mask


def is_done(task: ScanTask, model: Model) -> bool:
    """Return whether the mask is there, and by its record from this scan, with all that was asked for."""
    try:
        record = read_sidecar(task.mask)
    except UnreadableImageError:
        return False
    made_by = (record.method, record.preset, record.bundle_sha256, record.averaging)
    wanted = (model.method.name, model.method.preset, model.bundle.sha256, model.options.averaging.name)
    wanted_precision = HALF.get(model.options.precision, (model.options.precision,))
    is_as_precise = model.options.precision == "auto" or record.precision in wanted_precision
    return task.mask.is_file() and made_by == wanted and is_as_precise and _is_same_scan(task.scan, record)


def run_batch(tasks: Sequence[ScanTask], model: Model, existing: Existing, console: Console) -> tuple[ScanTask, ...]:
    """Segment the scans, print each outcome, and return those that failed."""
    failed: dict[ScanTask, str] = {}
    doubtful = 0  # scans whose mask came with a warning
    console.print(escape(f"Weights: {model.bundle.path}"), style="dim")
    for number, task in enumerate(tasks, start=1):
        title = f"[{number}/{len(tasks)}] {task.mask.name}"
        try:
            record = _run_one(task, model, existing, title, console)
            doubtful += any(notice.level == "warning" for notice in record.notices)
        except SCAN_ERRORS as error:
            logger.debug("segmenting %s failed", task.scan, exc_info=True)
            failed[task] = str(error) or repr(error)
            print_record(console, {"scan": str(task.scan), "status": "failed", "error": failed[task]})
            console.print(escape(f"[{number}/{len(tasks)}] {task.scan}: failed"), style="red")
    _print_summary(tasks, failed, doubtful, console)
    return tuple(failed)


def _run_one(task: ScanTask, model: Model, existing: Existing, title: str, console: Console) -> RunRecord:
    status = "skipped" if existing is Existing.KEEP and is_done(task, model) else "done"
    if status == "done":
        _check_free(task, existing)
        follow(segment_case(task, model), title, console)
    record = read_sidecar(task.mask)
    print_record(console, {"scan": str(task.scan), "status": status, "mask": str(task.mask), **_facts(record)})
    volumes = ", ".join(f"{_tissue(name)} {volume:.1f} ml" for name, volume in record.volumes_ml.items())
    is_edited = EDITED.code in {notice.code for notice in record.notices}
    before = f" (was there already{', edited by a person' if is_edited else ''})" if status == "skipped" else ""
    console.print(escape(f"{title}: {volumes}{before}"))
    if status == "skipped":  # of a scan that was segmented now they were told on the way
        for notice in record.notices:
            if notice.level == "warning":
                print_notice(console, escape(title), notice)
    return record


def _tissue(name: str) -> str:
    """Return what the voxels of label `name` are: the organ's own label leaves out its masses."""
    return f"{name} without masses" if name == KITS.organ else name


def _check_free(task: ScanTask, existing: Existing) -> None:
    """Refuse to replace a mask that came from another scan or model, or from a person."""
    if existing is Existing.KEEP and task.mask.exists():
        raise UnwritableImageError(
            f"{str(task.mask)!r} is there and was not made from {str(task.scan)!r} with the method, "
            "bundle, averaging and precision asked for. Choose another --output, or replace it with --overwrite."
        )


def _facts(record: RunRecord) -> dict[str, Any]:
    return {
        "volumes_ml": dict(record.volumes_ml),
        "seconds": dict(record.seconds),
        "notices": [{"code": notice.code, "text": notice.text} for notice in record.notices],
    }


def _print_summary(tasks: Sequence[ScanTask], failed: dict[ScanTask, str], doubtful: int, console: Console) -> None:
    warned = f", {doubtful} with a warning: look at {'it' if doubtful == 1 else 'them'} first" if doubtful else ""
    console.print(f"{len(tasks) - len(failed)} of {len(tasks)} scans segmented{warned}.")
    for task, message in failed.items():
        console.print(f"Failed: {escape(str(task.scan))}: {escape(message)}", style="red")


def _record(volume: Volume, model: Model, result: CascadeResult, started: str) -> RunRecord:
    source = volume.source
    return RunRecord(
        source=str(source.path) if source else volume.name,
        source_sha256=source.sha256 if source else "",
        method=model.method.name,
        preset=model.method.preset,
        bundle_sha256=model.bundle.sha256,
        averaging=model.options.averaging.name,
        engine=result.engine,
        device=result.device,
        precision=result.precision,
        versions=installed_versions(),
        started=started,
        finished=_now(),
        seconds=dict(result.seconds),
        volumes_ml={name: round(result.labels.volume_ml(name), 3) for name in model.method.classes},
        notices=result.notices,
    )


def _is_same_scan(scan: Path, record: RunRecord) -> bool:
    """Return whether `record` is about `scan`: a file by its hash, a DICOM folder by its path."""
    if not record.source_sha256 or scan.is_dir():
        return Path(record.source).resolve() == scan.resolve()
    with scan.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == record.source_sha256


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
