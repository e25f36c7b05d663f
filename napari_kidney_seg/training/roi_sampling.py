"""Training windows of a rough-to-fine cascade: slabs of the whole scan, and crops of the region around one kidney."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.imaging.components import components, voxel_ml
from napari_kidney_seg.imaging.cropping import foreground_box
from napari_kidney_seg.inference.regions import SizedAroundEachComponent
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.sampling import Window, cut_window
from napari_kidney_seg.training.voxels import Voxel, box_around, random_voxel, window_shape


@dataclass(frozen=True, kw_only=True)
class RandomSlab:
    """The whole scan in-plane, and of it a random range of slices; padded where the scan has fewer.

    References
    ----------
    .. [1] Wang et al., "BiSC-UNet", KiTS19, section 3.2.
    """

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one training window of `case`."""
        _, rows, columns = shape = case.labels.shape
        depth = window_shape(stage, case.scan.geometry)[0]
        center = (int(rng.integers(shape[0])), rows // 2, columns // 2)
        return cut_window(case, stage, box_around(center, (depth, rows, columns), Box.whole(shape)))


@dataclass(frozen=True, kw_only=True)
class RegionCrop:
    """A random crop of the region that `rule` lays around one kidney of the reference.

    Attributes
    ----------
    rule : SizedAroundEachComponent
        That of the stage: what is cropped is what the stage sees.
    on_foreground : float
        Probability of centering the crop on a foreground voxel; else anywhere in the region.
    min_ml : float
        Smaller components are no kidney.

    References
    ----------
    .. [1] Wang et al., "BiSC-UNet", KiTS19, section 3.1 (random cropping; the rest is METHODS.md's choice).
    """

    rule: SizedAroundEachComponent
    on_foreground: float = 0.9
    min_ml: float = 10.0

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one training window of `case`; a case without kidney gives a window anywhere."""
        region = self._region(case, rng)
        center = None
        if rng.random() < self.on_foreground:
            center = random_voxel(case.labels[region.slices], lambda part: part > 0, rng)
        inside = center or _anywhere(region, rng)
        at = tuple(a + b for a, b in zip(region.start, inside, strict=True))
        crop = box_around(at, window_shape(stage, case.scan.geometry), region)  # type: ignore[arg-type]
        return cut_window(case, stage, crop)

    def _region(self, case: Case, rng: np.random.Generator) -> Box:
        whole = Box.whole(case.labels.shape)
        box = foreground_box(case.labels)
        if box is None:
            return whole
        found = components(np.asarray(case.labels[box.slices]) > 0)[: self.rule.count]
        large = [one for one in found if one.voxels * voxel_ml(case.scan.spacing) >= self.min_ml]
        if not large:
            return whole
        chosen = large[int(rng.integers(len(large)))].box.moved_by(box.start)
        return self.rule.around(chosen, case.scan.geometry)


def _anywhere(box: Box, rng: np.random.Generator) -> Voxel:
    z, y, x = (int(rng.integers(n)) for n in box.shape)
    return z, y, x
