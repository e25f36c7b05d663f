"""One stage of a cascade: its regions through its networks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.device import check_memory, network_memory
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.geometry import Box, Shape, Spacing
from napari_kidney_seg.core.method import IntensityStep, RegionOutput, Stage, StageOutput
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.steps import VoxelSource, whole
from napari_kidney_seg.inference.background import Background, OneThread
from napari_kidney_seg.inference.engines.build import build_engine
from napari_kidney_seg.inference.engines.engine import Engine, NetworkSpec
from napari_kidney_seg.inference.fitting import fit_in_slabs
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.inference.predictor import Predictor
from napari_kidney_seg.inference.prepare import PreparedRegion, planned_shapes, prepare_in_slabs
from napari_kidney_seg.inference.regions import BACKGROUND, foreground
from napari_kidney_seg.inference.sliding_window import stitch
from napari_kidney_seg.inference.windows import WindowPlan, window_spans

ACCELERATOR_BATCH = 4  # windows at once where nobody chose
Step = TypeVar("Step")
Event = TypeVar("Event")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SlicesPrepared:
    """Slices of a region of the scan prepared so far."""

    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class WindowsDone:
    """Windows predicted so far in a stage, of all its regions and models."""

    done: int
    total: int


StageStep = SlicesPrepared | WindowsDone | Notice


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Seconds spent by step; a step that yields also counts the time until it is resumed."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Add the time spent in the block to `step`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a run computes with: the options, the device they led to, the engines and precisions in use, and the clock.

    `fits` holds the intensity steps that were fitted to the scan of this run, by what they were before: the stages of
    a cascade share them.
    """

    options: RunOptions
    device: str
    clock: Clock = field(default_factory=Clock)
    engines: set[str] = field(default_factory=set)
    precisions: set[str] = field(default_factory=set)
    fits: dict[tuple[IntensityStep, ...], tuple[IntensityStep, ...]] = field(default_factory=dict)

    @property
    def window_batch(self) -> int:
        """Windows per call of a network."""
        return self.options.window_batch or (1 if self.device == "cpu" else ACCELERATOR_BATCH)


@dataclass(frozen=True, kw_only=True, eq=False)
class StageInput:
    """What a stage works on.

    Attributes
    ----------
    scan : Volume
        Canonical.
    boxes : tuple of Box
        The regions on the scan's grid.
    guides : one source for each guide of the stage
        Probabilities (z, y, x) on the scan's grid.
    """

    scan: Volume
    boxes: tuple[Box, ...]
    guides: tuple[VoxelSource, ...] = ()


def run_stage(
    stage: Stage, given: StageInput, networks: list[NetworkSpec], machine: Machine
) -> Generator[StageStep, None, StageOutput]:
    """Predict the regions of a scan; yield after each step, return the output of the stage.

    Probabilities are averaged over windows, mirrored predictions and the models in `networks`.

    Raises
    ------
    InsufficientMemoryError
        When not even one window fits.
    """
    planned = [planned_shapes(given.scan, stage, box) for box in given.boxes]
    windows = [window for _, window in planned]
    # While one core prepares the scan, another makes the first engine.
    to_come = sum(math.prod(shape) for shape, _ in planned) * stage.channels * np.dtype(np.float32).itemsize
    making = _begin_engine(networks[0], windows, machine, to_come) if planned else None
    regions = yield from _prepared(stage, given, machine)
    counter = _Counter(stage, regions, len(networks))
    yield counter.after(0)
    sums: list[NDArray[np.float32]] = []
    for network in networks if regions else []:
        engine, notice = yield from _made_engine(making or _begin_engine(network, windows, machine), machine, counter)
        making = None
        if notice is not None:
            yield notice
        predictor = Predictor(network, engine, machine.device)
        found = yield from _predict_regions(predictor, stage, regions, machine, counter)
        sums = [one + other for one, other in zip(sums, found, strict=True)] if sums else found
    share = np.float32(1 / len(networks))
    outputs = tuple(_region_output(stage, region, total * share) for region, total in zip(regions, sums, strict=True))
    return StageOutput(stage=stage.name, classes=stage.classes, regions=outputs)


def _prepared(
    stage: Stage, given: StageInput, machine: Machine
) -> Generator[SlicesPrepared, None, list[PreparedRegion]]:
    regions = []
    with machine.clock.timing("prepare"):
        fitted = (yield from _fitted(given.scan, stage, machine)) if given.boxes else stage
        for box in given.boxes:
            event = partial(SlicesPrepared, total=box.shape[0])
            region = yield from translated(prepare_in_slabs(given.scan, fitted, box, given.guides), event)
            regions.append(region)
    return regions


def _fitted(scan: Volume, stage: Stage, machine: Machine) -> Generator[SlicesPrepared, None, Stage]:
    """Return `stage` with the intensity steps that look at the whole scan fitted to it."""
    if stage.intensity not in machine.fits:
        event = partial(SlicesPrepared, total=scan.geometry.shape[0])
        fitted = yield from translated(fit_in_slabs(stage, scan), event)
        machine.fits[stage.intensity] = fitted.intensity
    return replace(stage, intensity=machine.fits[stage.intensity])


class _Counter:
    """Counts the windows of a stage."""

    def __init__(self, stage: Stage, regions: list[PreparedRegion], models: int) -> None:
        plans = [WindowPlan(window=region.window, overlap=stage.overlap) for region in regions]
        shapes: list[Shape] = [region.array.shape[1:] for region in regions]
        self._total = models * sum(len(window_spans(shape, plan)) for shape, plan in zip(shapes, plans, strict=True))
        self._done = 0

    def after(self, step: int | Notice) -> WindowsDone | Notice:
        """Return the count after `step`, a number of windows; a notice passes."""
        if isinstance(step, Notice):
            return step
        self._done += step
        return WindowsDone(done=self._done, total=self._total)


def _begin_engine(
    network: NetworkSpec, windows: list[Shape], machine: Machine, to_come: int = 0
) -> Background[tuple[Engine, Notice | None]]:
    """Begin to make the engine for a network and its windows, which can take many seconds.

    On a CPU its memory must fit beside `to_come` bytes, those of the regions that are being prepared.
    """
    value_bytes = 2 if machine.device.startswith("cuda") and machine.options.precision != "float32" else 4
    sizes = partial(network_memory, network.state, channels=network.stage.channels, value_bytes=value_bytes)
    needed = max(sizes(window) for window in windows) + (to_come if machine.device == "cpu" else 0)
    check_memory(needed, machine.device, f"stage {network.stage.name!r}")
    return Background(partial(_ready_engine, network, windows, machine))


def _made_engine(
    making: Background[tuple[Engine, Notice | None]], machine: Machine, counter: _Counter
) -> Generator[WindowsDone | Notice, None, tuple[Engine, Notice | None]]:
    """Yield until the engine is made, and return it."""
    with machine.clock.timing("load"):
        engine, notice = yield from making.awaited(counter.after(0))
    machine.engines.add(engine.name)
    machine.precisions.add(engine.precision)
    return engine, notice


def _ready_engine(network: NetworkSpec, windows: list[Shape], machine: Machine) -> tuple[Engine, Notice | None]:
    engine, notice = build_engine(replace(network, size=windows[0]), machine.options, machine.device)
    for window in windows:
        engine.make_ready(window)
    return engine, notice


def _predict_regions(
    predictor: Predictor, stage: Stage, regions: list[PreparedRegion], machine: Machine, counter: _Counter
) -> Generator[WindowsDone | Notice, None, list[NDArray[np.float32]]]:
    """Return what one model says about each region, (C, z, y, x) on the padded working grid."""
    plan_for = partial(
        WindowPlan,
        overlap=stage.overlap,
        blending=stage.blending,
        mirrors=stage.mirrors,
        batch=machine.window_batch,
        device=predictor.device,
    )
    found = []
    with machine.clock.timing(stage.name), OneThread() as thread:
        for region in regions:
            steps = stitch(region.array, predictor, plan_for(window=region.window), thread)
            probabilities = yield from translated(steps, counter.after)
            found.append(probabilities)
    notice = predictor.notice()
    if notice is not None:
        yield notice
    return found


def translated(steps: Generator[Step, None, Result], change: Callable[[Step], Event]) -> Generator[Event, None, Result]:
    """Yield ``change(step)`` for every step of a generator, and return what it returns."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as finished:
                result: Result = finished.value
                return result
            yield change(step)


def _region_output(stage: Stage, region: PreparedRegion, probabilities: NDArray[np.float32]) -> RegionOutput:
    inner = whole(region.padding.inverse(), probabilities).astype(np.float16)
    return _cleaned(RegionOutput(box=region.box, probabilities=inner), stage, region.spacing)


def _cleaned(region: RegionOutput, stage: Stage, spacing: Spacing) -> RegionOutput:
    """Return the region with background where `stage.cleaning` removes a component."""
    if stage.cleaning is None:
        return region
    is_foreground = foreground(region, stage.classes)
    is_removed = is_foreground & ~stage.cleaning(is_foreground, spacing)
    probabilities = region.probabilities.copy()
    probabilities[:, is_removed] = 0
    if stage.classes[0] == BACKGROUND:
        probabilities[0, is_removed] = 1
    return replace(region, probabilities=probabilities)
