"""Training windows cut around one kidney: its box moved and scaled a little, resized to the window or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_kidney_seg.core.geometry import Box, Shape
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.imaging.components import components
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.sampling import RandomBox, Window, cut_window
from napari_kidney_seg.training.voxels import box_around

KIDNEYS = 2
MIN_ML = 10.0  # a smaller foreground component is no kidney; METHODS.md section 0
SHORTEST = 4  # voxels of a crop per axis
WITHOUT_KIDNEY = RandomBox(scale=(0.3, 0.5))


@dataclass(frozen=True, kw_only=True)
class KidneyCrops:
    """The reference box of each kidney, jittered; sometimes a part of it; resized to the window or not.

    Attributes
    ----------
    shift : float
        Share of its length by which a box is moved along each axis at most.
    scale : (low, high)
        Factor of the length of each axis.
    part_probability : float
        Of taking only a part of the box.
    part : (low, high)
        Share of each axis that the part has.
    is_resized : bool
        Whether the crop is squeezed to the window; else a window of the scan's own voxels is cut inside it.

    References
    ----------
    .. [1] Kamkova et al., KiTS19, section 3.4: "randomly cropped and resized"; the ranges are METHODS.md's choice.
    """

    shift: float = 0.1
    scale: tuple[float, float] = (0.8, 1.2)
    part_probability: float = 0.5
    part: tuple[float, float] = (0.5, 1.0)
    is_resized: bool = True

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return a window of any kidney of `case`."""
        return self.of_case(case, stage)(case, stage, rng)

    def of_case(self, case: Case, stage: Stage) -> CropsOfCase:
        """Return the windows of `case`: one per kidney and epoch."""
        found = components(np.asarray(case.labels) > 0)[:KIDNEYS]
        kidneys = [one.box for one in found if one.voxels * case.scan.geometry.voxel_ml >= MIN_ML]
        return CropsOfCase(boxes=tuple(kidneys), recipe=self)

    def around(self, kidney: Box, rng: np.random.Generator) -> Box:
        """Return a box around `kidney`, or around a part of it; it may reach outside the scan."""
        length = np.array(kidney.shape, float)
        center = np.array(kidney.start) + length / 2 + length * rng.uniform(-self.shift, self.shift, 3)
        length *= rng.uniform(*self.scale, 3)
        if rng.random() < self.part_probability:
            share = rng.uniform(*self.part, 3)
            center += length * (1 - share) * rng.uniform(-0.5, 0.5, 3)
            length *= share
        return _box(center, np.maximum(length, SHORTEST))


@dataclass(frozen=True, kw_only=True, eq=False)
class CropsOfCase:
    """The windows of one case.

    Attributes
    ----------
    boxes : of its kidneys, the larger first
    recipe : KidneyCrops
    """

    boxes: tuple[Box, ...]
    recipe: KidneyCrops

    @property
    def count(self) -> int:
        """Windows of an epoch."""
        return max(1, len(self.boxes))

    def numbered(self, number: int, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return a window of kidney `number`; a random box of a case without kidney."""
        if not self.boxes:
            return WITHOUT_KIDNEY(case, stage, rng)
        box = self.recipe.around(self.boxes[number], rng)
        return cut_window(case, stage, box if self.recipe.is_resized else _window_inside(box, stage.window, rng))

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return a window of any kidney."""
        return self.numbered(int(rng.integers(self.count)), case, stage, rng)


def _box(
    center: np.ndarray[tuple[int], np.dtype[np.float64]], length: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Box:
    start = np.round(center - length / 2).astype(int)
    stop = start + np.round(length).astype(int)
    return Box(start=tuple(start.tolist()), stop=tuple(stop.tolist()))


def _window_inside(box: Box, window: Shape, rng: np.random.Generator) -> Box:
    center = tuple(int(rng.integers(a, b)) for a, b in zip(box.start, box.stop, strict=True))
    return box_around(center, window, box)  # type: ignore[arg-type]
