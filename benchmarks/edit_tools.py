"""Seconds of every tool of the Edit widget, and of its undo, on a whole scan: ``python -m benchmarks.edit_tools``.

The scan is a real CT of ``../shared/data`` with its mask (or the one given), in napari's layers without a window. Times
are also given as ratios to one pass over the scan's voxels, which compares machines.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from napari.components import ViewerModel

from napari_kidney_seg.io.images import read_labels, read_volume
from napari_kidney_seg.widgets.edited_case import EditedCase
from napari_kidney_seg.widgets.layer_data import ct_layer_data
from napari_kidney_seg.widgets.layers import add_label_layers

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
SCAN = "ircad01_pv"


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def open_case(scan: Path, mask: Path) -> EditedCase:
    """Return the scan with its mask as layers, and the kidney chosen."""
    model = ViewerModel()
    data, options, _ = ct_layer_data(read_volume(scan))
    ct = model.add_image(data, **options)
    add_label_layers(model, read_labels(mask), ct)
    case = EditedCase(model, ct)
    case.choose("kidney", "paint")
    return case


def tools(case: EditedCase) -> dict[str, Callable[[], str]]:
    """Return every tool that acts on a layer as a whole."""
    return {
        "interpolate": case.interpolate,
        "smooth by 1.5 mm": lambda: case.smooth(1.5, in_slice=False),
        "fill holes": lambda: case.fill(in_slice=False),
        "remove islands under 5 ml": lambda: case.remove_islands(5.0, in_slice=False),
        "left and right": case.split,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, default=REAL / f"{SCAN}.nii.gz")
    parser.add_argument("--mask", type=Path, default=REAL / f"{SCAN}_seg.nii.gz")
    arguments = parser.parse_args()
    case = open_case(arguments.scan, arguments.mask)
    layer = case.active_layer
    if layer is None:
        raise SystemExit(f"{arguments.mask} shows no kidney.")
    layer.data[::2] = 0  # so that interpolation has slices to fill
    one_pass = min(seconds(lambda: np.count_nonzero(layer.data)) for _ in range(5))
    print(f"{layer.data.shape} voxels; one pass over them {one_pass * 1000:.0f} ms")
    for name, tool in tools(case).items():
        steps = len(layer._undo_history)  # noqa: SLF001  napari offers no count
        taken = seconds(tool)
        undone = seconds(layer.undo) if len(layer._undo_history) > steps else 0.0  # noqa: SLF001
        print(f"{name:26s} {taken:6.2f} s ({taken / one_pass:5.0f} passes), undo {undone:5.2f} s")


if __name__ == "__main__":
    main()
