"""Every method on the same labelled cases: one table."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from napari_kidney_seg import methods
from napari_kidney_seg.cli.batch import SCAN_ERRORS, Model, open_model
from napari_kidney_seg.cli.console import follow, print_record
from napari_kidney_seg.cli.scoring import print_absent
from napari_kidney_seg.core.errors import BundleError, KidneySegError
from napari_kidney_seg.core.events import Event
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.evaluation.comparison import (
    COMPARISON_COLUMNS,
    MethodCase,
    MethodResult,
    plot_comparison,
    write_comparison,
)
from napari_kidney_seg.evaluation.scores import CaseScores, evaluate_case
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.training.cases import Case, CaseSource
from napari_kidney_seg.training.dataset import open_dataset

if TYPE_CHECKING:
    from napari_kidney_seg.evaluation.detection import DetectionCounts

ALL = "all"
MEMORY_INTERVAL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class ComparisonFiles:
    """Where the comparison is written to, besides the screen."""

    csv: Path | None = None
    plot: Path | None = None


def compare(
    names: str, data: Path, preset: str, options: RunOptions, files: ComparisonFiles, console: Console
) -> tuple[MethodResult, ...]:
    """Segment every case of `data` with every method and score it; print one table, write it, return it.

    Parameters
    ----------
    names : ``"all"``, or names of methods, separated by commas
        Of all, those without weights are told and left out. ``NAME:AVERAGING`` runs a method with one of its
        averagings, so that ``boundary-aware:single,boundary-aware:paper`` compares two.
    data : Path
        Labelled cases, as for training.

    Raises
    ------
    DatasetError
        When `data` holds no labelled case.
    BundleError
        When a method that was named has no weights, or none of all has.
    KidneySegError
        When a method could not be run on any case.
    """
    if files.plot is not None:
        _check_plot(files.plot)
    cases = open_dataset(data).cases
    models = list(_models(names, preset, options, console))
    results = tuple(_run(name, model, cases, console) for name, model in models)
    console.print(_pretty(results))
    print_absent(_of_each_case(results), console)
    for result in results:
        for case, message in result.failed.items():
            console.print(f"Failed: {escape(result.method)} on {escape(case)}: {escape(message)}", style="red")
        print_record(console, _record(result))
    if files.csv is not None:
        write_comparison(results, files.csv)
        console.print(f"Wrote {escape(str(files.csv))}")
    if files.plot is not None:
        plot_comparison(results, files.plot)
        console.print(f"Wrote {escape(str(files.plot))}")
    return results


def _of_each_case(results: tuple[MethodResult, ...]) -> list[CaseScores]:
    """Return the scores of each case by one of the methods: what its reference lacks is the same for all."""
    return list({case.scores.name: case.scores for result in results for case in result.cases}.values())


def _check_plot(path: Path) -> None:
    """Refuse before hours of work what would fail after them."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise KidneySegError(
            f"The plot {str(path)!r} was asked for; drawing it needs Matplotlib, which is not installed. "
            "Run: pip install matplotlib, or leave --plot out."
        ) from error
    if not path.parent.is_dir():
        raise KidneySegError(f"There is no folder {str(path.parent)!r} for the plot. Make it first.")


def _models(names: str, preset: str, options: RunOptions, console: Console) -> Iterator[tuple[str, Model]]:
    """Yield the models to compare with their names as typed."""
    wanted = list(methods.REGISTRY) if names == ALL else [name.strip() for name in names.split(",")]
    missing: BundleError | None = None
    opened = 0
    for name in wanted:
        try:
            method, _, averaging = name.partition(":")
            model = open_model(method, preset, None, options, averaging or None)
        except BundleError as error:
            if names != ALL:
                raise
            missing = error
            console.print(f"{escape(name)} is left out: {escape(str(error))}", style="yellow")
            continue
        opened += 1
        yield name, model
    if not opened and missing is not None:
        raise missing


def _run(name: str, model: Model, sources: tuple[CaseSource, ...], console: Console) -> MethodResult:
    cases, failed = [], {}
    for number, source in enumerate(sources, start=1):
        title = f"{name} [{number}/{len(sources)}] {source.name}"
        try:
            cases.append(follow(segment_and_score(source, model), title, console))
        except SCAN_ERRORS as error:
            failed[source.name] = str(error) or repr(error)
    if not cases:
        raise KidneySegError(f"{name} failed on every case. The first: {next(iter(failed.values()))}")
    return MethodResult(method=name, cases=tuple(cases), failed=failed)


def segment_and_score(source: CaseSource, model: Model) -> Generator[Event, None, MethodCase]:
    """Read a case, segment it, score the mask; yield events, return the scores with time and memory.

    Raises
    ------
    KidneySegError
        When the case cannot be read or segmented.
    """
    case = source.read()
    reference = LabelVolume(array=np.asarray(case.labels), geometry=case.scan.geometry, name=case.name)
    with peak_memory() as memory:
        started = time.perf_counter()
        result = yield from run_cascade(case.scan, model.method, model.bundle, options=model.options)
        seconds = time.perf_counter() - started
    return MethodCase(
        scores=evaluate_case(result.labels, reference, case.name),
        seconds=seconds,
        peak_mb=memory[0],
        notices=result.notices,
        detection=_detection(case, model),
    )


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Watch this process; the one number of the list is the most resident memory so far, MB."""
    process, stopped = psutil.Process(), Signal()
    highest = [process.memory_info().rss / 1e6]

    def watch() -> None:
        while not stopped.wait(MEMORY_INTERVAL_S):
            highest[0] = max(highest[0], process.memory_info().rss / 1e6)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield highest
    finally:
        stopped.set()
        watcher.join()


def _detection(case: Case, model: Model) -> DetectionCounts | None:
    """Return how well the rectangles of the method's detector lie, or None where it has none."""
    from napari_kidney_seg.networks.faster_rcnn import SliceDetector
    from napari_kidney_seg.training.detection_scores import slice_scores

    for stage in model.method.stages:
        network = stage.network(**stage.network_args)
        if isinstance(network, SliceDetector):
            network.load_state_dict(model.bundle.members(stage.name)[0])
            return slice_scores(network.eval(), case, stage)
    return None


def _pretty(results: tuple[MethodResult, ...]) -> RichTable:
    """Return the means of every method, a column each: the measures are more than a terminal is wide."""
    pretty = RichTable("mean of all cases", *(escape(result.method) for result in results))
    means = [result.rows[-1] for result in results]
    for number, name in enumerate(COMPARISON_COLUMNS[2:], start=2):
        values = (mean[number] for mean in means)
        pretty.add_row(name, *(f"{value:.3f}" if isinstance(value, float) else str(value) for value in values))
    return pretty


def _record(result: MethodResult) -> dict[str, object]:
    *cases, mean = (dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in result.rows)
    return {"method": result.method, "cases": cases, "mean": mean, "failed": dict(result.failed)}
