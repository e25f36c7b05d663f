"""How well rectangles on slices are found: recall and precision at an overlap (intersection over union)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_OVERLAP = 0.5  # intersection over union at which a rectangle counts as found


@dataclass(frozen=True, kw_only=True)
class DetectionCounts:
    """Rectangles over any number of slices; counts of several slices or cases add up.

    Attributes
    ----------
    hits : found and wanted
    extra : found, not wanted
    missed : wanted, not found
    """

    hits: int = 0
    extra: int = 0
    missed: int = 0

    def __add__(self, other: DetectionCounts) -> DetectionCounts:
        """Return the counts of both."""
        return DetectionCounts(
            hits=self.hits + other.hits, extra=self.extra + other.extra, missed=self.missed + other.missed
        )

    @property
    def recall(self) -> float:
        """Share of the wanted rectangles that were found; 1 when none was wanted."""
        wanted = self.hits + self.missed
        return self.hits / wanted if wanted else 1.0

    @property
    def precision(self) -> float:
        """Share of the found rectangles that were wanted; 1 when none was found."""
        found = self.hits + self.extra
        return self.hits / found if found else 1.0


def overlaps(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the intersection over union of each pair of rectangles, shape (N, M).

    Parameters
    ----------
    found : shape (N, 4)
    wanted : shape (M, 4)
        Rectangles (y1, x1, y2, x2).
    """
    first = np.maximum(found[:, None, :2], wanted[None, :, :2])
    last = np.minimum(found[:, None, 2:], wanted[None, :, 2:])
    shared = np.prod(np.clip(last - first, 0, None), axis=2)
    sizes = [np.prod(one[:, 2:] - one[:, :2], axis=1) for one in (found, wanted)]
    union = sizes[0][:, None] + sizes[1][None] - shared
    return np.asarray(shared / np.where(union > 0, union, 1), np.float64)


def count_matches(
    found: NDArray[np.floating], wanted: NDArray[np.floating], min_overlap: float = MIN_OVERLAP
) -> DetectionCounts:
    """Return the counts for one slice; each wanted rectangle is found once, by the first in order that overlaps enough.

    Parameters
    ----------
    found : shape (N, 4)
        Rectangles (y1, x1, y2, x2), the surest first.
    wanted : shape (M, 4)
    min_overlap : float
        Intersection over union, 0..1.
    """
    scores = overlaps(found.reshape(-1, 4), wanted.reshape(-1, 4))
    hits = 0
    for row in scores:
        best = int(row.argmax()) if row.size else 0
        if row.size and row[best] >= min_overlap:
            hits += 1
            scores[:, best] = 0
    return DetectionCounts(hits=hits, extra=len(scores) - hits, missed=scores.shape[1] - hits)
