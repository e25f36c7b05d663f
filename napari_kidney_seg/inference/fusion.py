"""From the outputs of the stages to one mask on the scan's grid: restoring probabilities, and joining them.

Probabilities are brought back, never labels, and slab by slab: on a long scan the probabilities of all classes at full
size would not fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.cropping import crop_pad
from napari_kidney_seg.imaging.resampling import resize

SLAB = 16  # slices restored at once


class Restored:
    """The probabilities of a stage on the scan's grid, read box by box.

    Parameters
    ----------
    output : StageOutput
    channels : indices of the channels to restore

    Notes
    -----
    Where regions overlap, their mean counts; outside every region all channels are 0.
    """

    def __init__(self, output: StageOutput, channels: tuple[int, ...]) -> None:
        self._channels = channels
        self._regions = [(region.box, _along_z(region, channels)) for region in output.regions]

    def slabs(self, geometry: Geometry) -> Iterator[Box]:
        """Yield boxes of a few slices which together hold the regions, cut to the scan's grid `geometry`."""
        if not self._regions:
            return
        whole = reduce(Box.union, (box for box, _ in self._regions)).grown((0, 0, 0), geometry.shape)
        for first in range(whole.start[0], whole.stop[0], SLAB):
            last = min(first + SLAB, whole.stop[0])
            yield Box(start=(first, *whole.start[1:]), stop=(last, *whole.stop[1:]))

    def within(self, box: Box) -> NDArray[np.float32]:
        """Return the probabilities in `box` of the scan's grid, shape (C, z, y, x)."""
        total = np.zeros((len(self._channels), *box.shape), np.float32)
        count = np.zeros(box.shape, np.uint8)
        for region, probabilities in self._regions:
            shared = _intersection(region, box)
            if shared is not None:
                total[(..., *shared.seen_from(box.start).slices)] += _in_plane(region, probabilities, shared)
                count[shared.seen_from(box.start).slices] += 1
        if len(self._regions) > 1:
            total /= np.maximum(count, 1)
        return total


def restore_probability(output: StageOutput, geometry: Geometry, channels: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the summed probability of `channels` on the scan's grid, shape (Z, Y, X); 0 outside the regions."""
    restored = Restored(output, channels)
    result = np.zeros(geometry.shape, np.float32)
    for slab in restored.slabs(geometry):
        result[slab.slices] = restored.within(slab).sum(axis=0)
    return result


def masked_argmax(organ: StageOutput, lesion: StageOutput, geometry: Geometry, ids: Sequence[int]) -> NDArray[np.uint8]:
    """Return the most probable class of the lesion stage, wherever the organ stage says organ.

    Parameters
    ----------
    organ : output of a stage with the classes (background, organ)
    lesion : output of a stage without background class
        Where it has no output its first class counts, so that one should be the healthy organ.
    geometry : of the scan
    ids : label id of each class of `lesion`

    Returns
    -------
    uint8 labels, shape (Z, Y, X)
    """
    labels = np.zeros(geometry.shape, np.uint8)
    organs, lesions = Restored(organ, (1,)), Restored(lesion, tuple(range(len(ids))))
    for slab in organs.slabs(geometry):
        is_organ = organs.within(slab)[0] > 0.5
        if is_organ.any():
            winners = np.asarray(ids, np.uint8)[lesions.within(slab).argmax(axis=0)]
            labels[slab.slices] = np.where(is_organ, winners, 0)
    return labels


def argmax_labels(output: StageOutput, geometry: Geometry, ids: Sequence[int]) -> NDArray[np.uint8]:
    """Return the most probable class of a stage whose first class is the background.

    Parameters
    ----------
    output : of the stage
        Where its regions overlap, their mean counts; outside them all is background.
    geometry : of the scan
    ids : label id of each class, 0 for the background

    Returns
    -------
    uint8 labels, shape (Z, Y, X)
    """
    labels = np.zeros(geometry.shape, np.uint8)
    restored = Restored(output, tuple(range(len(ids))))
    for slab in restored.slabs(geometry):
        labels[slab.slices] = np.asarray(ids, np.uint8)[restored.within(slab).argmax(axis=0)]
    return labels


def nested_thresholds(output: StageOutput, geometry: Geometry, ids: Sequence[int]) -> NDArray[np.uint8]:
    """Return the innermost class whose own probability exceeds one half.

    Parameters
    ----------
    output : of a stage with independent (sigmoid) classes, each nested in the one before
        A later class wins also outside an earlier one.
    geometry : of the scan
    ids : label id of each class

    Returns
    -------
    uint8 labels, shape (Z, Y, X)
    """
    labels = np.zeros(geometry.shape, np.uint8)
    restored = Restored(output, tuple(range(len(ids))))
    for slab in restored.slabs(geometry):
        part = labels[slab.slices]
        for label, probability in zip(ids, restored.within(slab), strict=True):
            part[probability > 0.5] = label
    return labels


def _along_z(region: RegionOutput, channels: tuple[int, ...]) -> NDArray[np.floating]:
    """Return the channels with the scan's slices and the in-plane size of the working grid, shape (C, n, y, x)."""
    probabilities = region.probabilities[list(channels)]
    slices = region.box.shape[0]
    if probabilities.shape[1] == slices:
        return probabilities
    return resize(probabilities, (slices, *probabilities.shape[2:]))


def _in_plane(region: Box, probabilities: NDArray[np.floating], part: Box) -> NDArray[np.float32]:
    """Return the voxels of `part` from the `probabilities` of `region`, of which only z is restored yet."""
    inside = part.seen_from(region.start)
    slices = resize(probabilities[:, inside.slices[0]], (inside.shape[0], *region.shape[1:]))
    within_slices = Box(start=(0, *inside.start[1:]), stop=(inside.shape[0], *inside.stop[1:]))
    return crop_pad(slices, within_slices)


def _intersection(one: Box, other: Box) -> Box | None:
    shared = one.clipped(other)
    return shared if all(shared.shape) else None
