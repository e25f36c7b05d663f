"""The demonstration: the sample scan, segmented with the default method."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from napari_kidney_seg.cli.batch import Model, open_model
from napari_kidney_seg.cli.console import follow
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.evaluation.picture import write_picture
from napari_kidney_seg.evaluation.scores import CaseScores, evaluate_case
from napari_kidney_seg.imaging.measurements import measure, write_measurements_csv
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.io.images import write_labels
from napari_kidney_seg.methods import DEFAULT
from napari_kidney_seg.phantom.render import sample_scan

DEFAULT_FOLDER = Path("demo_output")


def has_display() -> bool:
    """Return whether a window can be shown here; on Linux it takes an X or Wayland display."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def write_demo(folder: Path, device: str, console: Console) -> None:
    """Segment the sample scan and write mask, measurements and a picture to `folder`.

    Raises
    ------
    BundleError
        When no weights for the default method are installed.
    UnwritableImageError
        When the folder cannot be written.
    """
    model = open_model(DEFAULT, "compact", None, RunOptions(device=device))
    scan, reference = sample_scan()
    labels = _segmented(scan, model, console)
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(labels, folder / "sample_seg.nii.gz")
    _write_measurements(labels, folder)
    write_picture(folder / "sample.png", scan, labels)
    console.print(escape(_score_line(evaluate_case(labels, reference, scan.name))))
    console.print(f"Wrote mask, measurements and picture to {escape(str(folder.resolve()))}")


def show_demo_window(folder: Path | None) -> None:
    """Open napari with the sample segmented; with a `folder`, save a picture of the window there and close it."""
    from napari_kidney_seg.widgets.demo import open_demo

    open_demo(folder / "window.png" if folder else None)


def _segmented(scan: Volume, model: Model, console: Console) -> LabelVolume:
    return follow(run_cascade(scan, model.method, model.bundle, options=model.options), scan.name, console).labels


def _write_measurements(labels: LabelVolume, folder: Path) -> None:
    measurements = measure(labels)
    write_measurements_csv(measurements, folder / "sample_measurements.csv")
    content = json.dumps([asdict(one) for one in measurements], indent=2)
    (folder / "sample_measurements.json").write_text(content + "\n", encoding="utf-8")


def _score_line(scores: CaseScores) -> str:
    found = ", ".join(f"{name} {value:.3f}" for name, value in scores.dice.items())
    return f"Dice against the phantom's own anatomy: {found}"
