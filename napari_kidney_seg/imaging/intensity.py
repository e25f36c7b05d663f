"""From Hounsfield units to network input. The padding value of a stage follows from its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.geometry import Spacing

GAUSSIAN_REACH: Final = 4.0  # standard deviations after which scipy cuts the filter off


@dataclass(frozen=True, kw_only=True)
class GaussianSmooth:
    """Gaussian filter of `sigma_mm` in physical space."""

    sigma_mm: float

    def __call__(self, array: NDArray[np.float32], spacing: Spacing) -> NDArray[np.float32]:
        """Return `array` (Z, Y, X) smoothed; `spacing` in mm."""
        sigma = [self.sigma_mm / step for step in spacing]
        smoothed: NDArray[np.float32] = ndimage.gaussian_filter(array, sigma, mode="nearest", truncate=GAUSSIAN_REACH)
        return smoothed

    def map_value(self, value: float) -> float:
        """Return `value`: a constant region stays as it is."""
        return value

    @property
    def reach_mm(self) -> float:
        """How far around a voxel the filter looks, mm."""
        return GAUSSIAN_REACH * self.sigma_mm


@dataclass(frozen=True, kw_only=True)
class Window:
    """Clip to [low, high] HU and map that range to [to_low, to_high]."""

    low: float
    high: float
    to_low: float = 0.0
    to_high: float = 1.0

    def __call__(self, array: NDArray[Any], spacing: Spacing) -> NDArray[np.float32]:
        """Return `array` (Z, Y, X) windowed."""
        scale = (self.to_high - self.to_low) / (self.high - self.low)
        result: NDArray[np.float32] = np.clip(array, self.low, self.high).astype(np.float32, copy=False)
        return (result - np.float32(self.low)) * np.float32(scale) + np.float32(self.to_low)

    def map_value(self, value: float) -> float:
        """Return what a constant region of `value` HU becomes."""
        clipped = min(max(value, self.low), self.high)
        return self.to_low + (clipped - self.low) * (self.to_high - self.to_low) / (self.high - self.low)
