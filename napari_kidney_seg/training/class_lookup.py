"""From label ids to the class indices of a stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassOfLabel:
    """Looks up the class of each voxel.

    Attributes
    ----------
    classes : class index by label id, 0 first
        `core.recipe.IGNORE` leaves the voxels of a label out.
    """

    classes: tuple[int, ...]

    def __call__(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the class indices, shape (Z, Y, X), of label ids of the same shape."""
        return np.array(self.classes, np.uint8)[labels]
