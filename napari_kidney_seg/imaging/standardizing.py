"""The z-score: intensities in standard deviations from the mean of the whole scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.geometry import Spacing


@dataclass(frozen=True, kw_only=True)
class Standardize:
    """Subtract `mean` and divide by `deviation`, both in the unit of the input."""

    mean: float
    deviation: float

    def __call__(self, array: NDArray[np.float32], spacing: Spacing) -> NDArray[np.float32]:
        """Return `array` (Z, Y, X) standardized."""
        result: NDArray[np.float32] = (array - np.float32(self.mean)) / np.float32(self.deviation)
        return result

    def map_value(self, value: float) -> float:
        """Return what a constant region of `value` becomes."""
        return (value - self.mean) / self.deviation


@dataclass(frozen=True, kw_only=True)
class ZScore:
    """Standardize by the mean and deviation of all voxels of the scan, whatever part of it is looked at.

    Notes
    -----
    A `core.intensity.ScanStep`: it has no numbers until it is fitted to a scan, and cannot be called before.
    """

    def measure(self, array: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the count, the sum and the sum of squares of a part of the scan."""
        values = array.astype(np.float64)
        return np.array([values.size, values.sum(), np.square(values).sum()])

    def fitted(self, figures: NDArray[np.float64]) -> Standardize:
        """Return the step for a scan of these `figures`; a constant scan becomes 0."""
        count, total, squares = figures
        mean = total / count
        variance = max(0.0, squares / count - mean**2)
        return Standardize(mean=float(mean), deviation=float(np.sqrt(variance)) or 1.0)

    def __call__(self, array: NDArray[np.float32], spacing: Spacing) -> NDArray[np.float32]:
        """Refuse: the numbers are missing.

        Raises
        ------
        KidneySegError
            Always.
        """
        raise _not_fitted()

    def map_value(self, value: float) -> float:
        """Refuse: the numbers are missing.

        Raises
        ------
        KidneySegError
            Always.
        """
        raise _not_fitted()


def _not_fitted() -> KidneySegError:
    return KidneySegError(
        "Found a z-score without mean and deviation; needed those of a scan. Call fit(stage, volume) first."
    )
