"""What networks are asked for: label ids of the data set as the classes of a method, and the edges of those classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

CANNY_SIGMA = 1.0  # voxels

EdgeFinder = Callable[[NDArray[np.bool_]], NDArray[np.bool_]]


def kits19_classes(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 0 background, 1 kidney, 2 tumor for KiTS ids `labels`: in KiTS19 a cyst is kidney."""
    return np.array([0, 1, 2, 1], np.uint8)[labels]


def canny_edges(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the Canny edges of `mask` (Z, Y, X), slice by slice.

    The border of the array is no edge.

    References
    ----------
    .. [1] Canny, "A computational approach to edge detection", IEEE TPAMI 8, 1986.
    """
    from skimage.feature import canny

    edges = np.zeros(mask.shape, bool)
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        edges[z] = canny(mask[z].astype(float), sigma=CANNY_SIGMA, mode="nearest")  # type: ignore[no-untyped-call]
    return edges


def inner_outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels of `mask` (Z, Y, X) next to one outside it in the same slice; the array's border is none."""
    cross = ndimage.generate_binary_structure(2, 1)[None]
    return np.asarray(mask & ~ndimage.binary_erosion(mask, cross, border_value=1), bool)


@dataclass(frozen=True, kw_only=True)
class ClassesAndEdges:
    """The KiTS19 class of every voxel, and whether it lies on the edge of the kidney and of the tumor.

    Computed from labels that were cropped and augmented already, so that the edges are as sharp as the labels.

    Attributes
    ----------
    edge : callable mask -> edges, both (Z, Y, X)
        `canny_edges` or `inner_outline`.
    """

    edge: EdgeFinder = canny_edges

    def __call__(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return class, kidney edge and tumor edge, shape (3, Z, Y, X), for KiTS ids `labels` (Z, Y, X)."""
        classes = kits19_classes(labels)
        return np.stack([classes, self.edge(classes == 1), self.edge(classes == 2)]).astype(np.uint8)
