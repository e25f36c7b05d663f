"""Seconds, memory and arithmetic of one segmentation on a CPU, step by step: ``make bench``.

The scan is the largest real CT of ``../shared/data`` (or the one given, or else the sample scan). The share of the
machine's arithmetic that each network reaches is measured against a large float32 matrix multiplication in the same
run; importing libraries is not counted. Engines are compared by the Dice of their masks. OpenVINO is measured twice:
the first time ever, when the networks are converted, and in every later session, when they are read from disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from napari_kidney_seg.core.events import Progress
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.inference.cascade import CascadeResult, run_cascade
from napari_kidney_seg.inference.cost import measured_matrix_rate, window_flop
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.io.bundle import Bundle, load_bundle
from napari_kidney_seg.io.images import read_volume, write_labels
from napari_kidney_seg.io.models import find_bundle
from napari_kidney_seg.methods import DEFAULT, get_method
from napari_kidney_seg.phantom.render import sample_scan

REAL_SCANS = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
MATRIX = 4096
BASELINE_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One measured segmentation."""

    result: CascadeResult
    seconds: float
    windows: dict[str, int]


def largest_scan() -> Path | None:
    """Return the real scan with the largest file, or None without the development data."""
    scans = [path for path in REAL_SCANS.glob("*.nii.gz") if not path.name.endswith(("_seg.nii.gz", "_lesion.nii.gz"))]
    return max(scans, key=lambda path: path.stat().st_size, default=None)


def warm_up() -> None:
    """Write and read a small image: importing the libraries for it is no part of reading a scan."""
    geometry = Geometry.from_spacing((2, 2, 2), (1.0, 1.0, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.nii.gz"
        write_labels(LabelVolume(array=np.zeros((2, 2, 2), np.uint8), geometry=geometry), path)
        read_volume(path)


def measured(scan: Volume, method: Method, bundle: Bundle, engine: str) -> Run:
    """Segment `scan`, counting windows per stage."""
    windows: dict[str, int] = {}
    started = time.perf_counter()
    run = run_cascade(scan, method, bundle, options=RunOptions(device="cpu", engine=engine))
    while True:
        try:
            event = next(run)
        except StopIteration as finished:
            return Run(result=finished.value, seconds=time.perf_counter() - started, windows=windows)
        if isinstance(event, Progress) and event.stage in {stage.name for stage in method.stages}:
            windows[event.stage] = event.total


def runs_of(scan: Volume, method: Method, bundle: Bundle) -> dict[str, Run]:
    """Segment `scan` with each engine, and OpenVINO for the first time and once more."""
    runs = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        for when in ("first", "later"):
            try:
                from napari_kidney_seg.inference.engines.openvino_engine import forget_compiled
            except ImportError:
                break
            forget_compiled()
            runs[f"openvino, {when} session"] = measured(scan, method, bundle, "openvino")
        runs["torch"] = measured(scan, method, bundle, "torch")
    return runs


def dice(first: LabelVolume, second: LabelVolume) -> float:
    """Return the Dice of two masks' foreground."""
    one, other = first.array > 0, second.array > 0
    return 2 * np.count_nonzero(one & other) / max(1, np.count_nonzero(one) + np.count_nonzero(other))


def report(name: str, run: Run, method: Method, outside: dict[str, float], rate: float) -> None:
    """Print the table of the run called `name`; `outside` are the seconds of reading and writing."""
    seconds = dict(run.result.seconds)
    total = run.seconds + sum(outside.values())
    networks = sum(seconds[stage.name] for stage in method.stages)
    print(f"\n{name}: whole run {total:.1f} s, outside the networks {(1 - networks / total):.0%}")
    for step, value in (outside | seconds).items():
        print(f"  {step:10s} {value:7.2f} s")
    for stage in method.stages:
        flop = window_flop(stage) * run.windows[stage.name] * (1 + len(stage.mirrors))
        share = flop / seconds[stage.name] / rate
        count = run.windows[stage.name]
        print(f"  {stage.name:10s} {count:3d} windows, {flop / 1e12:5.2f} TFLOP, {share:.0%} of the rate")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path, nargs="?", default=largest_scan())
    parser.add_argument("--bundle", type=Path, default=None)
    arguments = parser.parse_args()
    method = get_method(DEFAULT, "compact")
    bundle = load_bundle(arguments.bundle or find_bundle(method), method)
    warm_up()
    started = time.perf_counter()
    scan = read_volume(arguments.scan) if arguments.scan else sample_scan()[0]
    outside = {"read": time.perf_counter() - started}
    rate = measured_matrix_rate(MATRIX)
    print(f"{scan.name}: {scan.geometry.shape} voxels, {torch.get_num_threads()} threads, {rate / 1e9:.0f} GFLOP/s")
    runs = runs_of(scan, method, bundle)
    first, *_, last = (run.result.labels for run in runs.values())
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        write_labels(first, Path(folder) / "mask.nii.gz")
        outside["write"] = time.perf_counter() - started
    for name, run in runs.items():
        report(name, run, method, outside, rate)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory {peak:.0f} MB ({BASELINE_MB:.0f} MB of it the imported libraries)")
    print(f"Dice of both engines' foreground {dice(first, last):.4f}")


if __name__ == "__main__":
    main()
