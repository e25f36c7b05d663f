"""How far from what an earlier stage found a later one is believed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Nothing farther than `mm` from the organ that stage `source` found is believed.

    A box around the kidneys holds much that is none: spleen, bowel, muscle. The stage that chose the box has seen the
    whole scan and knows better where in it the kidneys are.

    Attributes
    ----------
    source : str
        Name of a stage with the classes (background, organ).
    mm : float
        Measured on the working grid of that stage.
    """

    source: str
    mm: float

    def of(self, found: StageOutput, geometry: Geometry) -> StageOutput:
        """Return `found`, the output of the source on the scan's grid `geometry`, grown by the reach."""
        return replace(found, regions=tuple(self._grown(region, geometry) for region in found.regions))

    def _grown(self, region: RegionOutput, geometry: Geometry) -> RegionOutput:
        is_organ = region.probabilities[1] > 0.5
        if not is_organ.any():
            return region
        scale = np.divide(region.box.shape, is_organ.shape)
        far = ndimage.distance_transform_edt(~is_organ, sampling=np.multiply(geometry.spacing, scale))
        is_near = far <= self.mm
        return replace(region, probabilities=np.stack([~is_near, is_near]).astype(np.float16))
