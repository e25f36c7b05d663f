"""What an earlier stage found in a case, carried through cutting and augmentation with the labels of a window.

A stage that is guided by an earlier one (`core.guide.Guide`) would see the reference's kidneys in training, which bulge
wherever a mass does, and at work a prediction, which may not. Where a case has predictions, training shows these.

The id of a voxel is its label plus `MISSED` or `FOUND`; without either nothing is known of what the earlier stage does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.labels import KITS

LABELS = 1 + max(KITS.names)  # background, kidney, tumor and cyst
MISSED, FOUND = LABELS, 2 * LABELS  # added to a label id where the earlier stage answers background, and where organ


def with_found(labels: NDArray[np.uint8], found: NDArray[Any]) -> NDArray[np.uint8]:
    """Return label ids that also say where an earlier stage found the organ, a mask of the same shape."""
    return np.where(found, labels + FOUND, labels + MISSED).astype(np.uint8)


def is_known(ids: NDArray[np.uint8]) -> bool:
    """Return whether `ids` say what an earlier stage found."""
    return bool(ids.size) and int(ids.max()) >= MISSED


def label_of(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the label ids alone."""
    return ids % np.uint8(LABELS)
