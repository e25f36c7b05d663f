"""From the outputs of the stages to one mask on the scan's grid: restoring probabilities, and joining them.

Probabilities are brought back, never labels, and slab by slab: on a long scan the probabilities of all classes at full
size would not fit. The functions are generators: each yields the slices it has come to, so that a run can be cancelled
in between, and returns the whole.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry, Shape
from napari_kidney_seg.core.labels import LabelSchema
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.cropping import foreground_box
from napari_kidney_seg.imaging.region_steps import region_steps
from napari_kidney_seg.imaging.steps import VoxelSource, slabs
from napari_kidney_seg.inference.background import ahead
from napari_kidney_seg.inference.regions import BACKGROUND

SLAB = 8  # slices that a thread restores at once
Labeling = Generator[int, None, NDArray[np.uint8]]


class Restored:
    """The probabilities of a stage on the scan's grid, read box by box.

    Parameters
    ----------
    output : StageOutput
    geometry : Geometry
        Of the scan.
    channels : indices of the channels to restore

    Notes
    -----
    Where regions overlap, their mean counts; outside every region all channels are 0.
    """

    def __init__(self, output: StageOutput, geometry: Geometry, channels: tuple[int, ...]) -> None:
        self._shape, self._channels = geometry.shape, channels
        self._regions = [(region.box, on_scan(region, geometry.shape, channels)) for region in output.regions]

    def slabs(self, within: Box | None = None) -> Iterator[Box]:
        """Yield boxes of a few slices which together hold the regions, cut to the scan or the box `within` it."""
        if self._regions:
            together = reduce(Box.union, (box for box, _ in self._regions))
            yield from slabs(together.clipped(within or Box.whole(self._shape)), SLAB)

    def within(self, box: Box) -> NDArray[np.float32]:
        """Return the probabilities in `box` of the scan's grid, shape (C, z, y, x)."""
        total = np.zeros((len(self._channels), *box.shape), np.float32)
        count = np.zeros(box.shape, np.uint8)
        for region, probabilities in self._regions:
            shared = region.clipped(box)
            if all(shared.shape):
                total[(..., *shared.seen_from(box.start).slices)] += probabilities(shared)
                count[shared.seen_from(box.start).slices] += 1
        if len(self._regions) > 1:
            total /= np.maximum(count, 1)
        return total


def class_ids(classes: tuple[str, ...], schema: LabelSchema) -> list[int]:
    """Return the label id of each class of a stage, 0 for its background."""
    return [0 if name == BACKGROUND else schema[name].id for name in classes]


def organ_source(output: StageOutput, geometry: Geometry) -> VoxelSource:
    """Return the source of a stage's (background, organ) probability of organ on the scan's grid, (z, y, x)."""
    restored = Restored(output, geometry, (1,))

    def within(box: Box) -> NDArray[np.float32]:
        (organ,) = restored.within(box)
        return np.asarray(organ)

    return within


def mask_of(
    output: StageOutput, geometry: Geometry, within: Box | None = None
) -> Generator[int, None, NDArray[np.bool_]]:
    """Return where a stage (background, organ) says organ, bool (Z, Y, X) on the scan's grid `geometry`.

    Outside the box `within` nothing is looked at, and False; None looks everywhere.
    """
    restored = Restored(output, geometry, (1,))
    result = np.zeros(geometry.shape, bool)

    def mark(slab: Box) -> int:
        result[slab.slices] = restored.within(slab)[0] > 0.5
        return slab.stop[0]

    yield from ahead(mark, restored.slabs(within))
    return result


def masked_argmax(organ: StageOutput, lesion: StageOutput, geometry: Geometry, ids: Sequence[int]) -> Labeling:
    """Return the most probable class of the lesion stage, wherever the organ stage says organ.

    Parameters
    ----------
    organ : output of a stage with the classes (background, organ)
    lesion : output of a stage
        Where it has no output its first class that is not background counts: that one should be the healthy organ.
    geometry : of the scan
    ids : label id of each class of `lesion`, 0 for a background, which never wins

    Returns
    -------
    uint8 labels, shape (Z, Y, X)
    """
    labels = np.zeros(geometry.shape, np.uint8)
    inside = tuple(channel for channel, label in enumerate(ids) if label)
    kinds = np.asarray(ids, np.uint8)[list(inside)]
    organs, lesions = Restored(organ, geometry, (1,)), Restored(lesion, geometry, inside)

    def label(slab: Box) -> int:
        is_organ = organs.within(slab)[0] > 0.5
        part = foreground_box(is_organ)
        if part is not None:
            place = part.moved_by(slab.start)
            winners = kinds[lesions.within(place).argmax(axis=0)]
            labels[place.slices] = np.where(is_organ[part.slices], winners, 0)
        return slab.stop[0]

    yield from ahead(label, organs.slabs())
    return labels


def completed_argmax(
    organ: StageOutput, lesion: StageOutput, geometry: Geometry, ids: Sequence[int]
) -> Generator[int, None, tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Return what `masked_argmax` does, and also the lesions that the organ stage took for background.

    Parameters
    ----------
    organ : output of a stage with the classes (background, organ)
    lesion : output of a stage
        Its first class is the background, its second the healthy organ; a lesion beside the organ counts where it is
        the likeliest of all classes.
    geometry : of the scan
    ids : label id of each class of `lesion`

    Returns
    -------
    labels : uint8, shape (Z, Y, X)
    is_organ : bool, shape (Z, Y, X)
        Where the organ stage says organ.
    """
    labels, is_organ = np.zeros(geometry.shape, np.uint8), np.zeros(geometry.shape, bool)
    kinds = np.asarray(ids, np.uint8)
    organs, lesions = Restored(organ, geometry, (1,)), Restored(lesion, geometry, tuple(range(len(ids))))

    def label(slab: Box) -> int:
        is_inside = organs.within(slab)[0] > 0.5
        probabilities = lesions.within(slab)
        winners = kinds[probabilities.argmax(axis=0)]
        beside = np.where(winners == kinds[1], 0, winners)
        labels[slab.slices] = np.where(is_inside, kinds[1:][probabilities[1:].argmax(axis=0)], beside)
        is_organ[slab.slices] = is_inside
        return slab.stop[0]

    yield from ahead(label, organs.slabs())
    return labels, is_organ


def argmax_labels(output: StageOutput, geometry: Geometry, ids: Sequence[int]) -> Labeling:
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
    kinds = np.asarray(ids, np.uint8)
    restored = Restored(output, geometry, tuple(range(len(ids))))

    def label(slab: Box) -> int:
        labels[slab.slices] = kinds[restored.within(slab).argmax(axis=0)]
        return slab.stop[0]

    yield from ahead(label, restored.slabs())
    return labels


def nested_thresholds(output: StageOutput, geometry: Geometry, ids: Sequence[int]) -> Labeling:
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
    restored = Restored(output, geometry, tuple(range(len(ids))))

    def label(slab: Box) -> int:
        part = labels[slab.slices]
        for identity, probability in zip(ids, restored.within(slab), strict=True):
            part[probability > 0.5] = identity
        return slab.stop[0]

    yield from ahead(label, restored.slabs())
    return labels


def on_scan(region: RegionOutput, scan: Shape, channels: tuple[int, ...]) -> VoxelSource:
    """Return the source of the region's probabilities on the scan's grid, (C, z, y, x); 0 outside the region."""
    working = region.probabilities.shape[1:]

    def chosen(box: Box) -> NDArray[np.floating]:
        return region.probabilities[(list(channels), *box.slices)]  # a copy of the box alone

    return partial(region_steps(scan, region.box, working).inverse().part, chosen)
