"""Several methods on the same cases: scores, time, memory and notices, side by side."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.evaluation.detection import DetectionCounts
from napari_kidney_seg.evaluation.scores import EVALUATION_CLASSES, CaseScores, mean_scores
from napari_kidney_seg.evaluation.table import COLUMNS, score_row
from napari_kidney_seg.io.atomic import replacing

MEASURES = ("kits19_composite", "seconds", "peak_mb", "slice_recall", "slice_precision", "notices")
COMPARISON_COLUMNS = ("method", *COLUMNS, *MEASURES)
MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class MethodCase:
    """One method on one case.

    Attributes
    ----------
    scores : CaseScores
    seconds : float
        The whole run of the cascade on the scan in memory.
    peak_mb : float
        Most resident memory of the process while it ran, MB.
    notices : tuple of Notice
    detection : DetectionCounts or None
        Rectangles on slices, for a method with a detector.
    """

    scores: CaseScores
    seconds: float
    peak_mb: float
    notices: tuple[Notice, ...] = ()
    detection: DetectionCounts | None = None


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """One method on all cases.

    Attributes
    ----------
    method : str
    cases : tuple of MethodCase
        At least one.
    failed : mapping of case name to why it could not be segmented or scored
    """

    method: str
    cases: tuple[MethodCase, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def mean(self) -> MethodCase:
        """Mean scores and seconds, highest memory, all notices, all rectangles."""
        counts = [case.detection for case in self.cases if case.detection is not None]
        return MethodCase(
            scores=mean_scores(tuple(case.scores for case in self.cases), MEAN),
            seconds=float(np.mean([case.seconds for case in self.cases])),
            peak_mb=max(case.peak_mb for case in self.cases),
            notices=tuple(notice for case in self.cases for notice in case.notices),
            detection=sum(counts, DetectionCounts()) if counts else None,
        )

    @property
    def rows(self) -> tuple[tuple[str | float, ...], ...]:
        """One row per case and the row of means, in the order of `COMPARISON_COLUMNS`; empty where nothing is known."""
        return tuple((self.method, *_row(case)) for case in (*self.cases, self.mean))


def write_comparison(results: tuple[MethodResult, ...], path: Path) -> None:
    """Write every method's cases and means to `path`.

    Raises
    ------
    UnwritableImageError
        When the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COMPARISON_COLUMNS)
        writer.writerows(row for result in results for row in result.rows)


def plot_comparison(results: tuple[MethodResult, ...], path: Path) -> None:
    """Draw the Dice of every case and its mean, by method and class, to a picture file.

    Parameters
    ----------
    results : tuple of MethodResult
    path : Path
        Its ending names the format: png, svg, pdf.

    Raises
    ------
    ImportError
        When Matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.2 + 1.7 * len(results), 4), layout="constrained")
    axes = figure.subplots()
    for shift, one in zip((-0.25, 0, 0.25), EVALUATION_CLASSES, strict=True):
        places = np.arange(len(results)) + shift
        color = f"C{EVALUATION_CLASSES.index(one)}"
        axes.bar(places, [r.mean.scores.dice[one.name] for r in results], 0.23, alpha=0.5, color=color, label=one.name)
        for place, result in zip(places, results, strict=True):
            dots = [case.scores.dice[one.name] for case in result.cases]
            axes.plot(np.linspace(place - 0.07, place + 0.07, len(dots)), dots, ".", color=color, markersize=4)
    axes.set_xticks(np.arange(len(results)), [f"{r.method}\n{r.mean.seconds:.0f} s" for r in results])
    axes.set(ylabel="Dice (bar: mean, dot: one case)", ylim=(0, 1))
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)
    figure.savefig(path, dpi=120)


def _row(case: MethodCase) -> tuple[str | float, ...]:
    found = case.detection
    rates: tuple[str | float, str | float] = (found.recall, found.precision) if found else ("", "")
    codes = " ".join(sorted({notice.code for notice in case.notices if notice.level == "warning"}))
    return (*score_row(case.scores), case.scores.kits19_composite, case.seconds, case.peak_mb, *rates, codes)
