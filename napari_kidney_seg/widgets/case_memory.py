"""What is remembered of layers while they are open.

Of a scan the last run on it and the stage outputs it left; of a mask the run that filled it, which outlives the scan.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_kidney_seg.core.method import StageOutput
from napari_kidney_seg.widgets.job import MethodChoice
from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.saving import FinishedRun

if TYPE_CHECKING:
    from napari.layers import Image, Labels


class CaseMemory(QObject):
    """The last run on one scan, and the outputs of its stages: kept while voxels and choice stay the same.

    `ran` tells every widget that the layers of the scan hold what a run found.

    Attributes
    ----------
    finished : FinishedRun or None
        None while nothing has been run.
    is_forced : bool
        Whether a person wants it segmented although its values are not those of a CT.
    checked : int or None
        Identity of the voxels of which `is_ct` tells whether they are a CT in Hounsfield units.
    written : set of Path
        Masks of this scan that were written here: they are replaced without asking.
    """

    ran = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.finished: FinishedRun | None = None
        self.is_forced = False
        self.checked: int | None = None
        self.is_ct = True
        self.written: set[Path] = set()
        self._key: tuple[object, ...] = ()
        self._outputs: dict[str, StageOutput] = {}

    def outputs(self, layer: Image, choice: MethodChoice) -> dict[str, StageOutput]:
        """Return the mutable outputs for voxels and place of `layer`, and `choice`; empty when one of them is new."""
        record = record_of(layer.metadata)
        key = (id(layer.data), record.geometry.affine.tobytes() if record is not None else b"", choice)
        if key != self._key:
            self._key, self._outputs = key, {}
        return self._outputs


# One memory per scan for all widgets of the window, one run per mask; each goes when its layer goes.
_MEMORIES: WeakKeyDictionary[Image, CaseMemory] = WeakKeyDictionary()
_RUNS: WeakKeyDictionary[Labels, FinishedRun] = WeakKeyDictionary()


def memory_of(layer: Image) -> CaseMemory:
    """Return the memory of the scan in `layer`, the same for every widget."""
    return _MEMORIES.setdefault(layer, CaseMemory())


def remember_run(layers: Iterable[Labels], run: FinishedRun) -> None:
    """Keep that `run` filled `layers`."""
    for layer in layers:
        _RUNS[layer] = run


def latest_run(layers: Iterable[Labels]) -> FinishedRun | None:
    """Return the last of the runs that filled `layers`; None where none is known."""
    runs = [_RUNS[layer] for layer in layers if layer in _RUNS]
    return max(runs, key=lambda run: run.finished, default=None)
