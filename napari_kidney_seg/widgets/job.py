"""One run of a cascade on one scan, as the window asks for it. Heavy imports wait until the work starts."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_kidney_seg.core.averaging import find_averaging
from napari_kidney_seg.core.events import Event, Progress
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Method, StageOutput
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.inference.background import in_background
from napari_kidney_seg.widgets.graphics_drivers import keep_triton_apart
from napari_kidney_seg.widgets.layer_data import label_appearance

if TYPE_CHECKING:
    from napari_kidney_seg.inference.cascade import CascadeResult
    from napari_kidney_seg.io.bundle import Bundle

STARTING = Progress(stage="prepare", done=0, total=1, fraction=0.0)


@dataclass(frozen=True, kw_only=True)
class MethodChoice:
    """What a person chose to run.

    Attributes
    ----------
    method, preset : str
        As registered.
    bundle : Path
        File of the trained weights.
    device, engine : str
        ``"auto"`` or a name of `core.device`.
    averaging : str
        Name of one of the method's averagings; empty for what the preset does by itself.
    """

    method: str
    preset: str
    bundle: Path
    device: str = "auto"
    engine: str = "auto"
    averaging: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentJob:
    """A scan, what to run on it, and the stage outputs kept for it.

    Attributes
    ----------
    volume : Volume
        Canonical.
    choice : MethodChoice
    cache : dict
        Stage outputs of earlier runs of the same choice on the same scan; the run adds its own.
    given : masks by stage name
        Corrected by a person; their stages are not run, and what depends on them is run again.
    """

    volume: Volume
    choice: MethodChoice
    cache: dict[str, StageOutput] = field(default_factory=dict, repr=False)
    given: Mapping[str, LabelVolume] = field(default_factory=dict, repr=False)


def segment(job: SegmentJob) -> Generator[Event, None, CascadeResult]:
    """Yield the events of the run, and return its result.

    Raises
    ------
    KidneySegError
        When the method, bundle, device or memory does not allow the run.
    """
    method, bundle = yield from in_background(partial(_load, job.choice), STARTING)
    from napari_kidney_seg.inference.cascade import run_cascade
    from napari_kidney_seg.inference.options import RunOptions

    averaging = find_averaging(method, job.choice.averaging)
    options = RunOptions(device=job.choice.device, engine=job.choice.engine, averaging=averaging)
    return (yield from run_cascade(job.volume, method, bundle, given=job.given, cache=job.cache, options=options))


def _load(choice: MethodChoice) -> tuple[Method, Bundle]:
    """Return what was chosen. The first time in a session this takes seconds, most of them for importing torch."""
    keep_triton_apart()
    prepare_label_colors()
    from napari_kidney_seg.inference import cascade  # noqa: F401  what it imports is waited for here
    from napari_kidney_seg.io.bundle import load_bundle
    from napari_kidney_seg.methods import get_method

    method = get_method(choice.method, choice.preset)
    return method, load_bundle(choice.bundle, method)


def prepare_label_colors() -> None:
    """Let napari compile here, in a worker's thread, what its first Labels layer would hold up the window for.

    The colors of labels go through numba's typed dictionary, whose compilation takes a second in each session.
    """
    import numpy as np
    from napari.layers import Labels

    Labels(np.ones((2, 2, 2), np.uint8), **label_appearance(KITS[KITS.organ], KITS)).refresh()
