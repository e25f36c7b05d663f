"""Joining regions that were segmented one by one, each with one organ."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.components import largest_components
from napari_kidney_seg.imaging.steps import slabs
from napari_kidney_seg.inference.fusion import SLAB, Labeling, on_scan


def one_organ_per_region(output: StageOutput, geometry: Geometry, ids: Sequence[int]) -> Labeling:
    """Return the most probable class of each voxel, of each region only the largest component; yield as `fusion` does.

    Parameters
    ----------
    output : of a stage whose first class is the background
        Where regions overlap, the one with the higher probability of foreground counts. An output that a person gave
        keeps all its components.
    geometry : of the scan, which holds all regions
    ids : label id of each class, 0 for the background

    Returns
    -------
    uint8 labels, shape (Z, Y, X)
    """
    labels = np.zeros(geometry.shape, np.uint8)
    best = np.zeros(geometry.shape, np.float16)
    for region in output.regions:
        found, certainty = yield from _restored(region, geometry, ids)
        if not output.given:
            found[~largest_components(found > 0, 1)] = 0
        inside = region.box.slices
        is_better = (found > 0) & (certainty > best[inside])
        labels[inside][is_better] = found[is_better]
        best[inside][is_better] = certainty[is_better]
    return labels


def _restored(
    region: RegionOutput, geometry: Geometry, ids: Sequence[int]
) -> Generator[int, None, tuple[NDArray[np.uint8], NDArray[np.float16]]]:
    """Return the likeliest label and the probability of foreground on the scan's grid, each with the region's shape."""
    found, certainty = np.empty(region.box.shape, np.uint8), np.empty(region.box.shape, np.float16)
    restored = on_scan(region, geometry.shape, tuple(range(len(ids))))
    for slab in slabs(region.box, SLAB):
        probabilities, inside = restored(slab), slab.seen_from(region.box.start).slices
        found[inside] = np.asarray(ids, np.uint8)[probabilities.argmax(axis=0)]
        certainty[inside] = 1 - probabilities[0]
        yield slab.stop[0]
    return found, certainty
