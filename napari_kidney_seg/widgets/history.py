"""Changes to a Labels layer that napari's own Undo takes back in one step.

Assigning ``layer.data`` would keep the old undo stack, and the next Undo would write stale voxels: every change goes
through ``data_setitem`` inside ``block_history`` (napari 0.9.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.geometry import Box

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True, kw_only=True)
class Change:
    """How many voxels became labeled, and how many background."""

    added: int = 0
    removed: int = 0


def replace_labels(layer: Labels, array: NDArray[Any], box: Box | None = None) -> Change:
    """Set the voxels of `layer` to `array` as one step that Undo takes back; nothing changed is no step.

    Parameters
    ----------
    layer : Labels
    array : shape of `box`, or of the layer
    box : Box or None
        Inside the layer; None is all of it.
    """
    box = box or Box.whole(layer.data.shape)
    before = np.asarray(layer.data[box.slices])
    changed = np.nonzero(before != array)
    if not len(changed[0]):
        return Change()
    old, new = before[changed] != 0, array[changed] != 0
    with layer.block_history():
        layer.data_setitem(tuple(axis + start for axis, start in zip(changed, box.start, strict=True)), array[changed])
    return Change(added=int(np.count_nonzero(new & ~old)), removed=int(np.count_nonzero(old & ~new)))


def replace_mask(layer: Labels, mask: NDArray[np.bool_], box: Box, number: int) -> Change:
    """Make `mask` what is labeled in `box`, as one step that Undo takes back.

    Voxels that stay labeled keep their number. New ones get `number`, or that of the closest labeled voxel where the
    layer holds several: left and right kidney.
    """
    before = np.asarray(layer.data[box.slices])
    present = np.unique(before[before != 0])
    new = np.full_like(before, number) if len(present) < 2 else _closest_number(before)
    return replace_labels(layer, np.where(mask, np.where(before, before, new), 0).astype(before.dtype), box)


def _closest_number(array: NDArray[Any]) -> NDArray[Any]:
    """Return for each voxel the number of the labeled voxel closest to it."""
    closest = ndimage.distance_transform_edt(array == 0, return_distances=False, return_indices=True)
    numbers: NDArray[Any] = array[tuple(closest)]
    return numbers
