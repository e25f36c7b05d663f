"""Measure how the window answers while the default method segments, and how soon Cancel takes effect.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/gui_stalls.py [--scan SCAN] [--bundle FILE] [--json FILE]

opens a real viewer with the Segment widget, runs the default method on the scan (the sample where none is given) twice,
once to its end with the event loop sampled every 10 ms, and once cancelled half-way.
Goals: 99th percentile of the stalls <= 50 ms; cancelled <= 1.5 s; layers unchanged.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtTest import QTest

from napari_kidney_seg.widgets.stalls import StallSampler

if TYPE_CHECKING:
    import napari

    from napari_kidney_seg.widgets.segment import SegmentWidget

GOAL_STALL_MS, GOAL_CANCEL_S = 50.0, 1.5
POLL_MS = 20
LIMIT_S = 1800.0
CANCEL_AT = 500  # thousandths of the run


def main() -> None:
    """Print the figures, and write them as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.scan, options.bundle)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


def measure(scan: Path | None, bundle: Path | None) -> dict[str, Any]:
    """Return the stalls of a whole run, and of a cancelled one its delay and whether the layers stayed."""
    import napari

    from napari_kidney_seg.widgets.demo import dock_segment_widget

    viewer = napari.Viewer(show_welcome_screen=False)
    widget = dock_segment_widget(viewer)
    if bundle:
        widget.method.add_bundle(bundle)
    open_case(viewer, scan)
    wait_until(lambda: widget.runner.run_button.isEnabled())
    figures = whole_run(widget) | cancelled_run(viewer, widget)
    viewer.close()
    return figures


def open_case(viewer: napari.Viewer, scan: Path | None) -> None:
    """Open `scan`, or the sample."""
    from napari_kidney_seg.widgets.opening import open_sample, open_scan

    if scan:
        open_scan(viewer, scan)
    else:
        open_sample(viewer)


def whole_run(widget: SegmentWidget) -> dict[str, Any]:
    """Return the stalls, ms, while the method runs to its end; importing torch and drawing the result included."""
    sampler = StallSampler(widget)
    sampler.start()
    started = time.perf_counter()
    widget.runner.run_button.click()
    wait_until(lambda: not widget.runner.is_running)
    seconds = time.perf_counter() - started
    stalls = sampler.stop()
    p50, p99 = np.percentile(stalls, (50, 99))
    return {
        "run_seconds": round(seconds, 1),
        "samples": len(stalls),
        "stall_ms": {"median": round(p50, 1), "p99": round(p99, 1), "largest": round(stalls.max(), 1)},
        "stall_goal_met": bool(p99 <= GOAL_STALL_MS),
        "status": widget.runner.progress.status.text(),
    }


def cancelled_run(viewer: napari.Viewer, widget: SegmentWidget) -> dict[str, Any]:
    """Return how long Cancel took half-way through a run, s, and whether the layers stayed as they were."""
    before = [layer.data.copy() for layer in viewer.layers]
    widget.method.engine.setCurrentIndex(widget.method.engine.findData("torch"))  # another choice: nothing is cached
    widget.runner.run_button.click()
    wait_until(lambda: widget.runner.progress.bar.value() >= CANCEL_AT or not widget.runner.is_running)
    started = time.perf_counter()
    widget.runner.cancel_button.click()
    wait_until(lambda: not widget.runner.is_running)
    seconds = time.perf_counter() - started
    is_same = [np.array_equal(layer.data, data) for layer, data in zip(viewer.layers, before, strict=True)]
    return {
        "cancel_seconds": round(seconds, 2),
        "cancel_goal_met": seconds <= GOAL_CANCEL_S,
        "cancel_status": widget.runner.progress.status.text(),
        "layers_unchanged": all(is_same),
    }


def wait_until(is_over: Callable[[], bool]) -> None:
    """Let the event loop run until `is_over`, at most `LIMIT_S`."""
    end = time.monotonic() + LIMIT_S
    while not is_over() and time.monotonic() < end:
        QTest.qWait(POLL_MS)


if __name__ == "__main__":
    main()
