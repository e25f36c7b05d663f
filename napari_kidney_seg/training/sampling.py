"""Cutting training windows from cases, and choosing which cases to draw.

A sampler is a frozen record called as ``sampler(case, stage, rng) -> (image, labels)``: normalized float32 image and
uint8 label ids, both of shape ``stage.window``; of a stage with a guide the ids may be those of `core.found`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.found import with_found
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.imaging.components import numbered
from napari_kidney_seg.imaging.cropping import crop_pad, foreground_box
from napari_kidney_seg.imaging.resampling import resize, resize_labels
from napari_kidney_seg.inference.prepare import normalized
from napari_kidney_seg.training.cases import Case

Window = tuple[NDArray[np.float32], NDArray[np.uint8]]
KIDNEY = KITS["kidney"].id  # tumor and cyst have higher ids
SECOND_KIDNEY_SHARE = 0.1  # of the larger one; smaller foreground components are no kidney


@dataclass(frozen=True, kw_only=True)
class RandomBox:
    """A random box of `scale` times each axis of the scan, squeezed to the window; padded where it is larger.

    References
    ----------
    .. [1] Chen and Zhang, KiTS23, section 3.2: random crop of the volumes with range [0.6, 1.3].
    """

    scale: tuple[float, float] = (0.6, 1.3)

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one training window of `case`."""
        start, stop = [], []
        for size in case.labels.shape:
            length = max(8, round(size * rng.uniform(*self.scale)))
            low, high = sorted((0, size - length))
            first = int(rng.integers(low, high + 1))
            start.append(first)
            stop.append(first + length)
        return cut_window(case, stage, Box(start=tuple(start), stop=tuple(stop)))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class RegionSlab:
    """The kidneys' box from the reference with its margin jittered, and of it a random range of slices.

    Attributes
    ----------
    margin_mm, jitter_mm : float
        The box is grown by ``margin_mm`` plus or minus up to ``jitter_mm``, each side by itself.
    slice_scale : (low, high)
        The slab has ``window z * U(low, high)`` working slices before it is resized to the window.
    one_kidney : float
        Probability of taking the box of one kidney only, where there are two.
    wide_share, wide_mm : float
        Probability of growing the box by up to ``wide_mm`` on each side, as a false alarm of the locating stage does.
    lesion_share : float
        Probability that the slab, and the kidney where one is taken, holds a tumor or cyst, where there is one.

    References
    ----------
    .. [1] Chen and Zhang, KiTS23, sections 2.1 and 3.2.
    """

    margin_mm: float = 20.0
    jitter_mm: float = 10.0
    slice_scale: tuple[float, float] = (0.6, 1.3)
    one_kidney: float = 0.1
    wide_share: float = 0.0
    wide_mm: float = 80.0
    lesion_share: float = 0.0

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one training window of `case`; a case without kidney gives a random box."""
        wants_lesion = rng.random() < self.lesion_share
        box = self._kidney_box(case.labels, rng, wants_lesion=wants_lesion)
        if box is None:
            return RandomBox(scale=(0.4, 0.7))(case, stage, rng)
        box = self._jittered(box, case.scan.geometry, rng)
        length = self._slab_length(box, case.scan.geometry, stage, rng)
        first = self._first_slice(box, length, case.labels if wants_lesion else None, rng)
        slab = Box(start=(first, *box.start[1:]), stop=(first + length, *box.stop[1:]))
        return cut_window(case, stage, slab, within=box)

    def _kidney_box(self, labels: NDArray[np.uint8], rng: np.random.Generator, *, wants_lesion: bool) -> Box | None:
        box = foreground_box(labels)
        if box is None or rng.random() >= self.one_kidney:
            return box
        components = numbered(labels[box.slices] > 0)
        sizes = np.bincount(components.ravel())[1:]
        kidneys: NDArray[Any] = np.flatnonzero(sizes > SECOND_KIDNEY_SHARE * sizes.max()) + 1
        with_lesion = np.intersect1d(kidneys, components[labels[box.slices] > KIDNEY])
        if wants_lesion and len(with_lesion):
            kidneys = with_lesion
        chosen = foreground_box(components == rng.choice(kidneys))
        if chosen is None:
            return box
        return chosen.moved_by(box.start)

    def _jittered(self, box: Box, geometry: Geometry, rng: np.random.Generator) -> Box:
        is_wide = self.wide_share > 0 and rng.random() < self.wide_share
        extra = (
            rng.uniform(0, self.wide_mm, (2, 3)) if is_wide else rng.uniform(-self.jitter_mm, self.jitter_mm, (2, 3))
        )
        margins = self.margin_mm + extra
        voxels = np.round(margins / np.asarray(geometry.spacing)).astype(int)
        start = tuple(max(0, a - int(v)) for a, v in zip(box.start, voxels[0], strict=True))
        stop = tuple(min(n, b + int(v)) for b, v, n in zip(box.stop, voxels[1], geometry.shape, strict=True))
        return Box(start=start, stop=stop)  # type: ignore[arg-type]

    def _slab_length(self, box: Box, geometry: Geometry, stage: Stage, rng: np.random.Generator) -> int:
        working = stage.grid.shape_for(geometry.cropped(box))
        per_working_slice = box.shape[0] / working[0]
        return max(1, round(stage.window[0] * rng.uniform(*self.slice_scale) * per_working_slice))

    def _first_slice(self, box: Box, length: int, labels: NDArray[np.uint8] | None, rng: np.random.Generator) -> int:
        """Return the first slice of a slab of `box`: one that holds a lesion of `labels`, or for None any."""
        lowest, spare = box.start[0], box.shape[0] - length
        if spare <= 0:  # a box with fewer slices than the slab is padded at both ends, as inference does
            return lowest + spare // 2
        if labels is not None:
            with_lesion = np.flatnonzero((labels[box.slices] > KIDNEY).any(axis=(1, 2)))
            if len(with_lesion):
                wanted = int(rng.choice(with_lesion)) - int(rng.integers(0, length))
                return lowest + min(max(wanted, 0), spare)
        return lowest + int(rng.integers(0, spare + 1))


def cut_window(case: Case, stage: Stage, box: Box, within: Box | None = None) -> Window:
    """Return the voxels of `box` as the network gets them: normalized, then padded, then resized to its window.

    Parameters
    ----------
    case : Case
    stage : Stage
    box : Box
        May reach outside the scan.
    within : Box or None
        What lies outside this box is padded too; None is the whole scan.
    """
    inside = box.clipped(within or Box.whole(case.scan.geometry.shape))
    image = normalized(case.scan, stage, inside)
    labels = _ids(case, stage, inside)
    outer = box.seen_from(inside.start)
    image, labels = crop_pad(image, outer, stage.pad_value), crop_pad(labels, outer)
    return resize(image, stage.window), resize_labels(labels, stage.window)


def _ids(case: Case, stage: Stage, box: Box) -> NDArray[np.uint8]:
    """Return the ids in `box`, with what the stage that guides this one found where that is known (`core.found`).

    The ids have room for one guide: a stage with more of them learns from the reference.
    """
    labels = np.asarray(case.labels[box.slices])
    known = case.found.get(stage.guides[0].source) if len(stage.guides) == 1 else None
    return labels if known is None else with_found(labels, np.asarray(known[box.slices]) > 0)


def draw_order(cases: int, losses: dict[int, float], hard_fraction: float, rng: np.random.Generator) -> list[int]:
    """Return the order of cases of one epoch: each once, the hardest `hard_fraction` twice.

    Parameters
    ----------
    cases : int
    losses : mapping of case index to its running loss
        Cases not seen yet are not counted as hard.
    hard_fraction : float
    rng : numpy Generator

    References
    ----------
    .. [1] Chen and Zhang, KiTS23, section 2.2 (hard examples mining; the rule is METHODS.md's choice).
    """
    count = round(hard_fraction * cases) if losses else 0
    hardest: list[Any] = sorted(losses, key=lambda index: losses[index], reverse=True)[:count]
    order = np.array([*range(cases), *hardest], dtype=int)
    return [int(index) for index in rng.permutation(order)]
