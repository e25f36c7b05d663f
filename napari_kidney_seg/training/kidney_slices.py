"""Training windows for a network that finds kidneys slice by slice: slices that show a kidney, with its rectangle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.imaging.slice_boxes import Rectangles, cuboid_rectangles, kidney_rectangles
from napari_kidney_seg.inference.prepare import prepare
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.sampling import Window

RectangleFinder = Callable[[NDArray[np.bool_]], Rectangles]
FINDERS: dict[str, RectangleFinder] = {"slice": kidney_rectangles, "cuboid": cuboid_rectangles}


@dataclass(frozen=True, kw_only=True)
class KidneySlices:
    """Every slice of a case that shows a kidney, as many in a window as the window has slices; they need not touch.

    The labels of a window are no label ids but bits: 1 inside the rectangle of the larger kidney, 2 inside that of the
    other one.

    Attributes
    ----------
    gt_box : ``"slice"`` or ``"cuboid"``
        The tight rectangle of a kidney with its masses on each slice, or the cross-section of its bounding cuboid.
    most : int or None
        Windows per case and epoch at most; None shows every slice once an epoch.
    empty_share : float, 0 to below 1
        Of the slices of a window, rounded down, chosen among those that show no kidney. 0 is the paper, whose detector
        never learns that chest and pelvis hold none.

    References
    ----------
    .. [1] Kamkova et al., KiTS19, sections 2 and 3.1.
    """

    gt_box: str = "slice"
    most: int | None = None
    empty_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.empty_share < 1:
            raise KidneySegError(f"Found empty_share={self.empty_share!r}; needed 0 or more, below 1. Change it.")

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return a window of any slices of `case`: that show a kidney, but for the empty share."""
        return self.of_case(case, stage)(case, stage, rng)

    def of_case(self, case: Case, stage: Stage) -> SlicesOfCase:
        """Return the windows of `case`."""
        rectangles = FINDERS[self.gt_box](np.asarray(case.labels) > 0)
        is_shown = np.asarray(rectangles.any(axis=(0, 2)))
        if not is_shown.any():  # a case without kidney teaches what is none
            is_shown = ~is_shown
        shown, empty = np.flatnonzero(is_shown), np.flatnonzero(~is_shown)
        empties = self._empties(stage.window[0]) if len(empty) else 0
        windows = -(-len(shown) // (stage.window[0] - empties))
        count = min(windows, self.most or windows)
        return SlicesOfCase(rectangles=rectangles, shown=shown, empty=empty, empties=empties, count=count)

    def _empties(self, depth: int) -> int:
        """Return how many of `depth` slices show no kidney."""
        if 0 < self.empty_share * depth < 1:
            raise KidneySegError(
                f"Found empty_share={self.empty_share!r} for windows of {depth} slices; needed at least one slice. "
                "Make it larger, or 0."
            )
        return int(self.empty_share * depth)


@dataclass(frozen=True, kw_only=True, eq=False)
class SlicesOfCase:
    """The windows of one case.

    Attributes
    ----------
    rectangles : shape (kidneys, Z, 4)
        As `imaging.slice_boxes.kidney_rectangles` returns them.
    shown : slices to choose from
    empty : slices without a kidney, to choose `empties` of a window from
    empties : int
    count : windows of an epoch
    """

    rectangles: Rectangles = field(repr=False)
    shown: NDArray[np.int64] = field(repr=False)
    empty: NDArray[np.int64] = field(repr=False)
    empties: int
    count: int

    def numbered(self, number: int, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return window `number` of an epoch; the windows of an epoch share no slice with a kidney."""
        return self._window(self.shown[number :: self.count], case, stage, rng)

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return a window of any slices."""
        return self._window(self.shown, case, stage, rng)

    def _window(self, slices: NDArray[np.int64], case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        depth = stage.window[0] - self.empties
        chosen = rng.choice(slices, depth, replace=len(slices) < depth)
        if self.empties:
            empty = rng.choice(self.empty, self.empties, replace=len(self.empty) < self.empties)
            chosen = np.concatenate([chosen, empty])
        pairs = [self._slice(int(z), case, stage) for z in np.sort(chosen)]
        images, labels = zip(*pairs, strict=True)
        return np.concatenate(images), np.concatenate(labels)

    def _slice(self, z: int, case: Case, stage: Stage) -> Window:
        """Return slice `z` as inference prepares it, and its rectangles on the same pixels; both (1, Y, X)."""
        height, width = case.labels.shape[1:]
        single = replace(stage, window=(1, *stage.window[1:]))
        region = prepare(case.scan, single, Box((z, 0, 0), (z + 1, height, width)))
        labels = np.zeros(region.array.shape[1:], np.uint8)
        scale = np.tile(np.array(region.inner.shape[1:]) / (height, width), 2)
        corners = np.round(self.rectangles[:, z] * scale).astype(int) + np.tile(region.inner.start[1:], 2)
        for bit, (y1, x1, y2, x2) in enumerate(corners.tolist()):
            labels[:, y1:y2, x1:x2] |= np.uint8(1 << bit)
        return region.array[0], labels


def rectangle_target(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return channels (3, Z, Y, X) for the bits of `KidneySlices`: inside any rectangle, the first's, the second's."""
    return np.stack([labels > 0, labels & 1, labels >> 1 & 1]).astype(np.uint8)
