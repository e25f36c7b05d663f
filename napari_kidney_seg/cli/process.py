"""The `train` verb as a process of its own, which outlives the window that started it. No torch."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.training_folder import TrainingFolder

NICENESS = 5  # the window, which draws and segments meanwhile, is served first


def start_training(request: TrainingRequest, *, resume: bool) -> None:
    """Train `request` in a process of its own, which is followed through its folder.

    Raises
    ------
    DatasetError
        When the folder holds another run, or is being trained in.
    UnwritableImageError
        When the folder cannot be written, or the bundle would replace another one.
    """
    folder = TrainingFolder(request.output)
    request = folder.check(request, resume=resume)
    folder.make()
    folder.forget_stop()
    folder.rewind()
    with folder.output.open("wb") as output:
        process = subprocess.Popen(
            training_command(request, resume=resume),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **_of_its_own(),
        )
    if sys.platform != "win32":
        os.setpriority(os.PRIO_PROCESS, process.pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    folder.record(request, process.pid)
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay a zombie while the window is open


def training_command(request: TrainingRequest, *, resume: bool) -> list[str]:
    """Return the command line that trains `request`."""
    options = {
        "--data": request.data,
        "--output": request.output,
        "--preset": request.preset,
        "--device": request.device,
        "--epochs": request.epochs,
        "--init": request.init,
        "--trunk": request.trunk,
        "--bundle": request.bundle,
    }
    given = [str(part) for name, value in options.items() if value is not None for part in (name, value)]
    what = [request.method, *([request.stage] if request.stage else [])]
    # -P: what lies in the current folder must not stand in for a library.
    return [sys.executable, "-P", "-m", "napari_kidney_seg", "train", *what, *given, *(["--resume"] if resume else [])]


def _of_its_own() -> dict[str, Any]:
    """Return the options of Popen with which a process does not end with the one that started it."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    return {"start_new_session": True}
