"""Make the pictures of the README and the documentation.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshots.py --scan SCAN --mask MASK

writes ``axial.png``, ``coronal.png`` and ``sagittal.png`` (the scan with its mask, seen from the three sides),
``window.png`` (the whole window with the Segment widget) and ``edit.png`` (with the Edit widget, on a scan with cysts)
to docs/images. ``make demo`` makes ``demo.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    import napari

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "real"
VIEWS = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}  # axes from slider to columns
LESION_CASE = (REAL / "cptac_C3L-00189_pv.nii.gz", REAL / "cptac_C3L-00189_pv_seg.nii.gz")
WINDOW_SIZE = (1500, 940)  # pixels
DRAW_MS = 600  # for the canvas to draw a new slice


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, default=REAL / "ircad01_pv.nii.gz")
    parser.add_argument("--mask", type=Path, default=REAL / "ircad01_pv_seg.nii.gz")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    viewer = open_case(options.scan, options.mask)
    for name in VIEWS:
        show_view(viewer, name)
        viewer.screenshot(str(options.output / f"{name}.png"), flash=False)
        print(options.output / f"{name}.png")
    show_view(viewer, "axial")
    photograph(viewer, options.output / "window.png")
    photograph(open_edit(*LESION_CASE), options.output / "edit.png")


def open_case(scan: Path, mask: Path) -> napari.Viewer:
    """Return a viewer with the Segment widget, the scan, and the mask on it."""
    import napari

    from napari_kidney_seg.io.images import read_labels
    from napari_kidney_seg.widgets.demo import dock_segment_widget
    from napari_kidney_seg.widgets.layers import add_label_layers
    from napari_kidney_seg.widgets.opening import open_scan

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(*WINDOW_SIZE)
    widget = dock_segment_widget(viewer)
    open_scan(viewer, scan)
    ct = viewer.layers[0]
    add_label_layers(viewer, read_labels(mask), ct)
    viewer.layers.selection.active = ct
    widget.result.show_result(ct, None)
    return viewer


def open_edit(scan: Path, mask: Path) -> napari.Viewer:
    """Return a viewer with the Edit widget, painting on the slice of the scan with the most of its cysts."""
    import napari

    from napari_kidney_seg.io.images import read_labels
    from napari_kidney_seg.widgets.layers import add_label_layers
    from napari_kidney_seg.widgets.opening import PLUGIN, open_scan

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(*WINDOW_SIZE)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Edit kidneys")
    open_scan(viewer, scan)
    add_label_layers(viewer, read_labels(mask), viewer.layers[0])
    widget.classes.classes["kidney"].click()
    widget.tools.buttons["split"].click()
    widget.classes.classes["cyst"].click()
    widget.brush_panel.gate.setChecked(True)
    widget.brush_panel.ranges.setCurrentText("Fluid")
    areas = np.count_nonzero(viewer.layers["cyst"].data, axis=(1, 2))
    viewer.dims.set_current_step(0, int(np.argmax(areas)))
    viewer.reset_view()
    QTest.qWait(DRAW_MS)
    while widget.volumes.is_waiting:
        QTest.qWait(DRAW_MS)
    return viewer


def photograph(viewer: napari.Viewer, path: Path) -> None:
    """Save a picture of the whole window and close it."""
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(path)
    viewer.close()


def show_view(viewer: napari.Viewer, name: str) -> None:
    """Show the slice with the most of both kidneys (of either, from the side), filling the canvas."""
    order = VIEWS[name]
    kidney = viewer.layers["kidney"].data.transpose(order)
    halves = (kidney,) if name == "sagittal" else np.array_split(kidney, 2, axis=2)
    areas = np.min([np.count_nonzero(half, axis=(1, 2)) for half in halves], axis=0)
    viewer.dims.order = order
    viewer.dims.set_current_step(order[0], int(np.argmax(areas)))
    viewer.reset_view()
    QTest.qWait(DRAW_MS)


if __name__ == "__main__":
    main()
