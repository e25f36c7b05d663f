"""Running a cascade: the only loop over stages."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.averaging import averaged
from napari_kidney_seg.core.device import choose_device, choose_engine
from napari_kidney_seg.core.events import Event, Notice, Progress, StageDone
from napari_kidney_seg.core.method import Method, RemarkingRule, Stage, StageOutput
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.imaging.steps import whole
from napari_kidney_seg.inference.background import in_background
from napari_kidney_seg.inference.checks import input_notices, result_notices, unknown_classes
from napari_kidney_seg.inference.engines.build import limited_threads
from napari_kidney_seg.inference.engines.engine import NetworkSpec
from napari_kidney_seg.inference.fusion import organ_source
from napari_kidney_seg.inference.given import GivenMask, given_outputs
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.inference.plan import FUSE_SHARE, Workload, plan_run
from napari_kidney_seg.inference.prepare import canonical
from napari_kidney_seg.inference.stage_run import Machine, SlicesPrepared, StageInput, StageStep, run_stage, translated

if TYPE_CHECKING:
    from napari_kidney_seg.io.bundle import Bundle

logger = logging.getLogger(__name__)
DEFAULT_OPTIONS = RunOptions()


@dataclass(frozen=True, kw_only=True, eq=False)
class CascadeResult:
    """What a run of a cascade found.

    Attributes
    ----------
    labels : LabelVolume
        On the grid of the scan that was given, in its orientation.
    outputs : outputs by stage name, on the canonical grid
    notices : tuple of Notice
        All that were yielded.
    seconds : by step
        ``"prepare"`` (crop, intensity, resize), ``"load"`` (waiting for engines), each stage's name (its network and
        the stitching), ``"fuse"``.
    engine : ``"torch"``, ``"openvino"``, both joined by ``+``, or empty when no network was run
    device : str
    precision : ``"float32"``, ``"bfloat16"`` or ``"float16"``, several joined by ``+``, or empty likewise
    """

    labels: LabelVolume
    outputs: Mapping[str, StageOutput] = field(repr=False)
    notices: tuple[Notice, ...]
    seconds: Mapping[str, float]
    engine: str
    device: str
    precision: str = ""


def run_cascade(
    volume: Volume,
    method: Method,
    bundle: Bundle,
    *,
    given: Mapping[str, GivenMask] | None = None,
    cache: dict[str, StageOutput] | None = None,
    options: RunOptions = DEFAULT_OPTIONS,
) -> Generator[Event, None, CascadeResult]:
    """Segment a scan; yield what happens, return the mask.

    Closing the generator cancels the run at once, whatever it is at: what cannot be interrupted comes to its end in a
    thread of its own. Stages that were done stay in `cache`.

    Parameters
    ----------
    volume : Volume
        CT in Hounsfield units, any axis orientation.
    method : Method
    bundle : Bundle
        Weights for every stage of `method`.
    given : masks on the grid of `volume` by stage name
        Their stages are not run, nor stages that nothing else requires then.
    cache : outputs by stage name, kept by the caller for one scan, method, bundle and options
        Read and filled in place. What depends on a newly given mask is run again.
    options : RunOptions

    Yields
    ------
    Progress
        After every batch of windows, and every little while during one; `fraction` is of the whole run.
    StageDone
        For each output there is, also those that were given or cached.
    Notice
        What a person should know.

    Returns
    -------
    CascadeResult
        Equal inputs give equal labels. Without a kidney the mask is empty and a notice ``"no_kidney"`` says so.

    Raises
    ------
    GeometryMismatchError
        When a given mask does not lie on the grid of `volume`.
    UnknownMethodError
        When a mask is given for a stage that `method` does not have.
    InsufficientMemoryError
        When the networks do not fit into memory even one window at a time.
    KidneySegError
        When the device or the engine asked for is not there.
    """
    machine = Machine(options=options, device=choose_device(options.device))
    choose_engine(options.engine, machine.device)
    method = averaged(method, options.averaging)
    run = _Run(volume, method, bundle, machine)
    known = given_outputs(method, given or {}, volume)
    with limited_threads(options.threads):
        outputs = yield from run.stages(known, {} if cache is None else cache)
        labels = yield from run.fused(outputs)
    return run.result(labels, outputs)


class _Run:
    """One run of a cascade on the canonical scan."""

    def __init__(self, volume: Volume, method: Method, bundle: Bundle, machine: Machine) -> None:
        self._volume, self._method, self._bundle, self._machine = volume, method, bundle, machine
        self._scan, self._back = canonical(volume)
        self._notices: list[Notice] = []

    def stages(
        self, given: Mapping[str, StageOutput], cache: dict[str, StageOutput]
    ) -> Generator[Event, None, dict[str, StageOutput]]:
        """Run the stages that have to be; return all outputs by stage name."""
        plan = plan_run(self._method, given, cache)
        cache.clear()
        cache.update(plan.known)
        if self._bundle.warning:
            yield from self._noted(Notice(code="weights", text=self._bundle.warning))
        yield from self._noted(*unknown_classes(self._method), *input_notices(self._scan))
        yield from (StageDone(stage=name, seconds=0.0, cached=True) for name in plan.known)
        workload = Workload(plan.stages, self._scan.geometry)
        for stage in plan.stages:
            cache[stage.name] = yield from self._stage(stage, cache, workload)
        return dict(cache)

    def fused(self, outputs: Mapping[str, StageOutput]) -> Generator[Event, None, NDArray[np.uint8]]:
        """Return the mask (Z, Y, X) on the canonical grid."""
        geometry = self._scan.geometry
        yield Progress(stage="fuse", done=0, total=1, fraction=1 - FUSE_SHARE)
        with self._machine.clock.timing("fuse"):
            labels = yield from translated(self._method.fuse(outputs, geometry), self._fusion_event)
            waiting = self._fusion_event(geometry.shape[0])
            notices = yield from in_background(lambda: list(result_notices(labels, self._scan)), waiting)
        yield from self._noted(*notices)
        yield Progress(stage="fuse", done=1, total=1, fraction=1.0)
        return labels

    def result(self, labels: NDArray[np.uint8], outputs: Mapping[str, StageOutput]) -> CascadeResult:
        """Return the result for canonical `labels` (Z, Y, X)."""
        volume, machine = self._volume, self._machine
        return CascadeResult(
            labels=LabelVolume(
                array=np.ascontiguousarray(whole(self._back, labels)),
                geometry=volume.geometry,
                name=volume.name,
                source=volume.source,
                schema=self._method.schema,
            ),
            outputs=MappingProxyType(dict(outputs)),
            notices=tuple(self._notices),
            seconds=MappingProxyType(machine.clock.seconds),
            engine="+".join(sorted(machine.engines)),
            device=machine.device,
            precision="+".join(sorted(machine.precisions)),
        )

    def _stage(
        self, stage: Stage, outputs: Mapping[str, StageOutput], workload: Workload
    ) -> Generator[Event, None, StageOutput]:
        started = time.perf_counter()
        yield Progress(stage="prepare", done=0, total=1, fraction=workload.fraction(stage, 0.0))
        boxes = stage.region.boxes(outputs, self._scan.geometry)
        if isinstance(stage.region, RemarkingRule):
            yield from self._noted(*stage.region.notices(outputs, self._scan.geometry))
        workload.set_boxes(stage, boxes)
        sources = tuple(organ_source(outputs[guide.source], self._scan.geometry) for guide in stage.guides)
        given = StageInput(scan=self._scan, boxes=boxes, guides=sources)
        networks = yield from self._networks(stage)
        steps = run_stage(stage, given, networks, self._machine)
        output = yield from translated(steps, lambda step: self._event(step, stage, workload))
        workload.fraction(stage, 1.0)
        seconds = time.perf_counter() - started
        logger.info("stage %s: %s regions in %.1f s", stage.name, len(boxes), seconds)
        yield StageDone(stage=stage.name, seconds=seconds)
        return output

    def _networks(self, stage: Stage) -> Generator[Notice, None, list[NetworkSpec]]:
        """Return the networks of `stage` that are used; yield what is averaged when a person chose that."""
        members, averaging = self._bundle.members(stage.name), self._machine.options.averaging
        if averaging.name:
            yield from self._noted(averaging.notice(stage, len(members)))
        name = f"{self._bundle.sha256}/{stage.name}" if self._bundle.sha256 else ""
        return [
            NetworkSpec(stage=stage, state=state, key=name and f"{name}/{index}")
            for index, state in enumerate(members[: averaging.members])
        ]

    def _event(self, step: StageStep, stage: Stage, workload: Workload) -> Event:
        if isinstance(step, Notice):
            self._notices.append(step)
            return step
        if isinstance(step, SlicesPrepared):
            fraction = workload.fraction(stage, 0.0)
            return Progress(stage="prepare", done=step.done, total=step.total, fraction=fraction)
        share = step.done / step.total if step.total else 1.0
        fraction = workload.fraction(stage, share)
        return Progress(stage=stage.name, done=step.done, total=step.total, fraction=fraction)

    def _fusion_event(self, step: int | Notice) -> Event:
        if isinstance(step, Notice):
            self._notices.append(step)
            return step
        return Progress(stage="fuse", done=step, total=self._scan.geometry.shape[0], fraction=1 - FUSE_SHARE)

    def _noted(self, *notices: Notice) -> tuple[Notice, ...]:
        self._notices.extend(notices)
        return notices
