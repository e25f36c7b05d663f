"""Training windows on the same grid that inference lays over a scan."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry, Shape
from napari_kidney_seg.core.method import Cleaning, Stage, StageOutput
from napari_kidney_seg.core.recipe import IGNORE
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.imaging.cropping import foreground_box, padded_to
from napari_kidney_seg.inference.regions import BACKGROUND
from napari_kidney_seg.inference.windows import WindowPlan, window_spans
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.class_lookup import ClassOfLabel
from napari_kidney_seg.training.sampling import Window, cut_window

TWO_KIDNEYS = KeepLargest(count=2)


@dataclass(frozen=True, kw_only=True)
class GridWindows:
    """All windows of the grid that hold target, and as many of the others, drawn anew each epoch.

    A `training.known_case.EpochSampler`. The grid is the one that inference lays, with the stage's overlap, over the
    region that the stage's rule finds around the reference kidneys.

    Attributes
    ----------
    per_case : int or None
        Windows of a case in an epoch, drawn at random from both kinds in turn; None takes all that hold target.
    cleaning : Cleaning
        Which components of the reference count as kidneys.
    target : ClassOfLabel or None
        What counts as target, where that is less than the stage answers for; None takes the target of its recipe.

    Notes
    -----
    The paper [1]_ trains on all windows, most of which are background: 117 a case at the median, 1188 at most.

    References
    ----------
    .. [1] Lin, Fu and Zheng, "Kidney and kidney tumor segmentation using a two-stage cascade framework", KiTS21.
    """

    per_case: int | None = None
    cleaning: Cleaning = TWO_KIDNEYS
    target: ClassOfLabel | None = None

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one window of `case`, with or without target at equal chances."""
        return self.of_case(case, stage)(case, stage, rng)

    def of_case(self, case: Case, stage: Stage) -> GridOfCase:
        """Return the windows of `case`."""
        target = self._target_of(case, stage)
        with_target: list[Box] = []
        others: list[Box] = []
        for region in self.regions(case, stage):
            for box in grid_boxes(region, case.scan.geometry, stage):
                (with_target if _holds(target, box) else others).append(box)
        return GridOfCase(per_case=self.per_case, with_target=tuple(with_target), others=tuple(others))

    def regions(self, case: Case, stage: Stage) -> tuple[Box, ...]:
        """Return where `stage` looks, given the reference kidneys; the whole scan where there are none."""
        geometry = case.scan.geometry
        if not stage.region.sources:
            return stage.region.boxes({}, geometry)
        kidneys = self.cleaning(np.asarray(case.labels) > 0, geometry.spacing)
        outputs = {name: StageOutput.from_mask(name, (BACKGROUND, "kidney"), kidneys) for name in stage.region.sources}
        return stage.region.boxes(outputs, geometry) or (Box.whole(geometry.shape),)

    def _target_of(self, case: Case, stage: Stage) -> tuple[NDArray[np.bool_], Box]:
        """Return where the case has target, and the box of the scan this array covers."""
        around = foreground_box(case.labels) or Box(start=(0, 0, 0), stop=(0, 0, 0))
        classes = (self.target or stage.recipe.target)(np.asarray(case.labels[around.slices]))
        return (classes > 0) & (classes != IGNORE), around


@dataclass(frozen=True, kw_only=True)
class GridOfCase:
    """The windows of one case, as boxes on its grid: those `with_target` and the `others`; see `GridWindows`."""

    per_case: int | None
    with_target: tuple[Box, ...] = field(repr=False)
    others: tuple[Box, ...] = field(repr=False)

    @property
    def count(self) -> int:
        """Windows of the case in one epoch; 1 for a case without target."""
        return self.per_case or max(1, 2 * len(self.with_target))

    def numbered(self, number: int, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return window `number` of an epoch: even ones hold target, odd ones do not."""
        if self.per_case is None and number % 2 == 0 and self.with_target:
            return cut_window(case, stage, self.with_target[number // 2 % len(self.with_target)])
        kind = (self.with_target, self.others)[number % 2] or self.with_target or self.others
        return cut_window(case, stage, kind[rng.integers(len(kind))])

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one window, with or without target at equal chances."""
        kinds = [kind for kind in (self.with_target, self.others) if kind]
        kind = kinds[rng.integers(len(kinds))]
        return cut_window(case, stage, kind[rng.integers(len(kind))])


def grid_boxes(region: Box, geometry: Geometry, stage: Stage) -> list[Box]:
    """Return the windows that inference lays over `region`, as boxes on the scan's grid `geometry`.

    They may reach outside the region where it is smaller than a window.
    """
    working = stage.grid.shape_for(geometry.cropped(region))
    padded = padded_to(working, stage.window)
    plan = WindowPlan(window=stage.window, overlap=stage.overlap)
    corners = [
        tuple(one.start + first for one, first in zip(span, padded.start, strict=True))
        for span in window_spans(padded.shape, plan)
    ]
    return [_on_scan(corner, working, region, stage.window) for corner in corners]


def _on_scan(corner: tuple[int, ...], working: Shape, region: Box, window: Shape) -> Box:
    """Return the window at `corner` of the working grid in voxels of the scan, all windows of one size."""
    scale = [n / w for n, w in zip(region.shape, working, strict=True)]
    start = tuple(a + round(c * s) for a, c, s in zip(region.start, corner, scale, strict=True))
    stop = tuple(a + max(1, round(n * s)) for a, n, s in zip(start, window, scale, strict=True))
    return Box(start=start, stop=stop)  # type: ignore[arg-type]


def _holds(target: tuple[NDArray[np.bool_], Box], box: Box) -> bool:
    mask, around = target
    return bool(mask[box.clipped(around).seen_from(around.start).slices].any())
