"""Left and right kidney in one kidney layer, by number and color."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.imaging.sides import LEFT, patient_sides
from napari_kidney_seg.widgets.layer_data import LEFT_KIDNEY


def side_numbers(mask: NDArray[np.bool_], geometry: Geometry) -> NDArray[np.uint8]:
    """Return the number of each voxel of a split kidney layer: `LEFT_KIDNEY`, the kidney's own id, or 0.

    Parameters
    ----------
    mask : shape (Z, Y, X)
        The kidneys.
    geometry : Geometry
        Of `mask`, in any orientation.
    """
    sides = patient_sides(mask, geometry)
    return np.where(sides == LEFT, LEFT_KIDNEY, np.where(sides, KITS[KITS.organ].id, 0)).astype(np.uint8)


def is_split(numbers: NDArray[np.generic]) -> bool:
    """Return whether the numbers of a kidney layer tell left from right."""
    return bool((numbers == LEFT_KIDNEY).any())
