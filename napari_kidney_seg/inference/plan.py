"""Which stages of a cascade have to run, given what is known already, and what share of the work each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import Method, Stage, StageOutput
from napari_kidney_seg.imaging.cropping import padded_to
from napari_kidney_seg.inference.given import is_same_output

# Median box around both kidneys in KiTS23 with 20 mm margin, (z, y, x) mm (METHODS.md section 0); only for progress.
TYPICAL_REGION_MM = (170.0, 135.0, 267.0)
FUSE_SHARE = 0.03  # of the whole work, for progress


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What a run of a cascade consists of.

    Attributes
    ----------
    known : outputs by stage name that are given or still valid from an earlier run
    stages : those to run, in order
    """

    known: Mapping[str, StageOutput] = field(repr=False)
    stages: tuple[Stage, ...]


def plan_run(method: Method, given: Mapping[str, StageOutput], cache: Mapping[str, StageOutput]) -> RunPlan:
    """Return which stages of `method` must run.

    A cached output is out of date when something it was made from has been given anew, or when it was given and no
    longer is; what depends on it is then out of date as well. Of the rest, only what the fusion reads is run, and what
    that requires.
    """
    outdated = _outdated(method, given, cache)
    known = {name: output for name, output in cache.items() if name not in outdated} | dict(given)
    wanted = _required(method, method.fused, known)
    return RunPlan(known=known, stages=tuple(stage for stage in method.stages if stage.name in wanted))


class Workload:
    """Follows what fraction of a run is done, each stage weighted by the voxels its network sees.

    Parameters
    ----------
    stages : those that will run
    geometry : of the canonical scan
    """

    def __init__(self, stages: tuple[Stage, ...], geometry: Geometry) -> None:
        self._geometry = geometry
        self._costs = {stage.name: self._cost(stage, _expected_boxes(stage, geometry)) for stage in stages}
        self._shares = dict.fromkeys(self._costs, 0.0)
        self._fraction = 0.0

    def set_boxes(self, stage: Stage, boxes: tuple[Box, ...]) -> None:
        """Correct the expectation for `stage`, now that its regions are known."""
        self._costs[stage.name] = self._cost(stage, boxes)

    def fraction(self, stage: Stage, share: float) -> float:
        """Return the fraction of the run that is done when `share` of `stage` is; it never falls."""
        self._shares[stage.name] = share
        total = sum(self._costs.values())
        done = sum(self._costs[name] * self._shares[name] for name in self._costs)
        share_of_all = min(1.0, done / total) if total else 0.0
        self._fraction = max(self._fraction, (1 - FUSE_SHARE) * share_of_all)
        return self._fraction

    def _cost(self, stage: Stage, boxes: tuple[Box, ...]) -> float:
        return sum(_voxels_seen(stage, self._geometry.cropped(box)) for box in boxes)


def _outdated(method: Method, given: Mapping[str, StageOutput], cache: Mapping[str, StageOutput]) -> set[str]:
    outdated: set[str] = set()
    for stage in method.stages:
        cached = cache.get(stage.name)
        if stage.name in given:
            changed = not is_same_output(cached, given[stage.name])
        else:
            depends = {*stage.requires, *stage.region.sources} - {stage.name}
            changed = cached is not None and (cached.given or bool(depends & outdated))
        if changed:
            outdated.add(stage.name)
    return outdated


def _required(method: Method, names: tuple[str, ...], known: Mapping[str, StageOutput]) -> set[str]:
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in known and name not in wanted:
            wanted.add(name)
            waiting.extend(method.stage(name).requires)
    return wanted


def _expected_boxes(stage: Stage, geometry: Geometry) -> tuple[Box, ...]:
    if not stage.region.sources:
        return stage.region.boxes({}, geometry)
    sizes = zip(geometry.shape, TYPICAL_REGION_MM, geometry.spacing, strict=True)
    return (Box.whole(tuple(min(n, max(1, round(mm / step))) for n, mm, step in sizes)),)  # type: ignore[arg-type]


def expected_windows(stage: Stage, geometry: Geometry) -> int:
    """Return how many windows the network of `stage` sees of a typical patient, mirrored ones not counted."""
    return sum(_windows(stage, geometry.cropped(box)) for box in _expected_boxes(stage, geometry))


def _windows(stage: Stage, region: Geometry) -> int:
    working = stage.grid.shape_for(region)
    window = stage.window_for(working)
    shape = padded_to(working, window).shape
    strides = [max(1, int(w * (1 - o))) for w, o in zip(window, stage.overlap, strict=True)]
    return int(np.prod([1 - (w - n) // step for n, w, step in zip(shape, window, strides, strict=True)]))


def _voxels_seen(stage: Stage, region: Geometry) -> float:
    window = stage.window_for(stage.grid.shape_for(region))
    return float(_windows(stage, region) * np.prod(window) * (1 + len(stage.mirrors)))
