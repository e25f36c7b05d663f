"""Make the pictures of the README and the documentation.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshots.py [PICTURE ...]

writes to docs/images, from the scans of ``../shared/data``:

===========================================  ======================================================================
``axial.png, coronal.png, sagittal.png``     a scan with its reference mask, seen from the three sides
``window.png``                               the window as ``make demo`` leaves it: the sample, segmented
``segment.png``                              the Segment widget with a real scan that it has segmented
``edit.png``                                 the Edit widget, painting on a scan with cysts
``train.png``                                the Train widget, training on two real scans for a minute
===========================================  ======================================================================

Each picture is made in a process of its own, as a window leaves things behind.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
REAL = ROOT.parent / "shared" / "data" / "real"
VIEWS = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}  # axes from slider to columns
PORTAL, WITH_CYSTS, WITHOUT_CONTRAST = "ircad01_pv", "cptac_C3L-00189_pv", "acrin_flt001_nc"
WINDOW_SIZE = (1500, 940)  # pixels
DRAW_MS = 600  # for the canvas to draw a new slice
LONGEST_MS = 600_000  # of a run or a training
METHOD, STAGE, EPOCHS, EPOCHS_SHOWN = "rcnn-vnet", "segmentation", 40, 25  # of the training


def main() -> None:
    """Write the pictures asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help=", ".join(PICTURES))
    names = parser.parse_args().pictures or list(PICTURES)
    IMAGES.mkdir(parents=True, exist_ok=True)
    if len(names) == 1:
        PICTURES[names[0]](IMAGES / f"{names[0]}.png")
        return
    for name in names:
        subprocess.run([sys.executable, __file__, name], check=True)
        print(IMAGES / f"{name}.png", flush=True)


def take_demo(path: Path) -> None:
    """Photograph the demonstration when it has segmented the sample."""
    from napari_kidney_seg.widgets.demo import open_demo

    open_demo(path)


def take_view(path: Path) -> None:
    """Photograph a scan with its mask from the side that the picture is named after."""
    viewer, _ = open_case(PORTAL, "Segment kidneys", with_mask=True)
    show_view(viewer, path.stem)
    viewer.screenshot(str(path), flash=False)
    viewer.close()


def take_segment(path: Path) -> None:
    """Photograph the Segment widget after it has segmented a real scan."""
    viewer, widget = open_case(PORTAL, "Segment kidneys")
    widget.runner.run_button.click()
    wait_until(lambda: widget.runner.progress.is_done)
    show_view(viewer, "axial")
    photograph(viewer, path)


def take_edit(path: Path) -> None:
    """Photograph the Edit widget, painting on the slice of the scan with the most of its cysts."""
    from napari_kidney_seg.widgets.showing import show_most

    viewer, widget = open_case(WITH_CYSTS, "Edit kidneys", with_mask=True)
    widget.classes.classes["kidney"].click()
    widget.tools.buttons["split"].click()
    widget.classes.classes["cyst"].click()
    widget.brush_panel.gate.setChecked(True)
    widget.brush_panel.ranges.setCurrentText("Fluid")
    show_most(viewer, viewer.layers["cyst"])
    viewer.reset_view()
    QTest.qWait(DRAW_MS)
    wait_until(lambda: not widget.volumes.is_waiting)
    photograph(viewer, path)


def take_train(path: Path) -> None:
    """Photograph the Train widget while it trains on two real scans; the training is then stopped and thrown away."""
    viewer, widget = open_case(WITH_CYSTS, "Train a method", with_mask=True)
    show_view(viewer, "axial")
    form, panel = widget.form, widget.training
    with tempfile.TemporaryDirectory() as folder:
        widget.data.folder.set_text(str(paired_scans(Path(folder) / "scans")))
        form.method.setCurrentIndex(form.method.findData(METHOD))
        form.stage.setCurrentIndex(form.stage.findData(STAGE))
        form.epochs.setValue(EPOCHS)
        form.folder.set_text(str(Path(folder) / "training"))
        widget.data.check_button.click()
        wait_until(lambda: widget.data.table.topLevelItemCount() == 2)
        wait_until(panel.start_button.isEnabled)
        panel.start_button.click()
        wait_until(lambda: len(panel.curves.epochs) >= EPOCHS_SHOWN)
        photograph(viewer, path, closes=False)
        panel.stop_button.click()
        wait_until(panel.resume_button.isEnabled)
        viewer.close()


def paired_scans(folder: Path) -> Path:
    """Return `folder`, with links to two labelled scans in it."""
    folder.mkdir()
    for name in (WITH_CYSTS, WITHOUT_CONTRAST):
        for file in (f"{name}.nii.gz", f"{name}_seg.nii.gz"):
            (folder / file).symlink_to(REAL / file)
    return folder


def open_case(name: str, dock: str, *, with_mask: bool = False) -> tuple[napari.Viewer, QWidget]:
    """Return a viewer with the scan called `name`, its reference mask if asked for, and the widget called `dock`."""
    import napari

    from napari_kidney_seg.io.images import read_labels
    from napari_kidney_seg.widgets.layers import add_label_layers
    from napari_kidney_seg.widgets.opening import PLUGIN, open_scan

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(*WINDOW_SIZE)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, dock)
    open_scan(viewer, REAL / f"{name}.nii.gz")
    if with_mask:
        add_label_layers(viewer, read_labels(REAL / f"{name}_seg.nii.gz"), viewer.layers[0])
    viewer.layers.selection.active = viewer.layers[0]
    return viewer, widget


def wait_until(is_so: Callable[[], bool]) -> None:
    """Let the window work until `is_so`."""
    for _ in range(LONGEST_MS // DRAW_MS):
        if is_so():
            return
        QTest.qWait(DRAW_MS)
    raise TimeoutError(f"Waited {LONGEST_MS / 1000:.0f} s for {is_so}.")


def photograph(viewer: napari.Viewer, path: Path, *, closes: bool = True) -> None:
    """Save a picture of the whole window, and close it."""
    QTest.qWait(DRAW_MS)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    if closes:
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


PICTURES: dict[str, Callable[[Path], None]] = {
    "window": take_demo,
    **dict.fromkeys(VIEWS, take_view),
    "segment": take_segment,
    "edit": take_edit,
    "train": take_train,
}


if __name__ == "__main__":
    main()
