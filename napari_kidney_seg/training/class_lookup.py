"""From label ids to the class indices of a stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.found import LABELS


@dataclass(frozen=True)
class ClassOfLabel:
    """Looks up the class of each voxel.

    Attributes
    ----------
    classes : class index by label id, 0 first
        `core.recipe.IGNORE` leaves the voxels of a label out.
    missed, found : class index by label id, or None
        Where the stage that guides this one is known to see background, and where organ (`core.found`); None is as
        `classes`.
    """

    classes: tuple[int, ...]
    missed: tuple[int, ...] | None = None
    found: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for table in (self.classes, self.missed, self.found):
            if table is not None and len(table) != LABELS:
                raise KidneySegError(f"Found classes of {len(table)} label ids; needed {LABELS}, from 0 on. Add them.")

    def __call__(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the class indices, shape (Z, Y, X), of label ids of the same shape."""
        table = (*self.classes, *(self.missed or self.classes), *(self.found or self.classes))
        return np.array(table, np.uint8)[labels]
