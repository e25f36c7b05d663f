"""Scans whose classes are marked by intensity, and methods whose networks read them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.intensity import NeighborhoodStep
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.inference.fitting import fit
from tests.inference.fakes import Oracle

# Of label ids 0 to 3, all inside every method's window. Half tumor and half background should read as tumor rather than
# as kidney: so the marks of kidney and cyst are close to that of the background.
HU = np.array([-100, 0, 300, 50], np.int16)


def ellipsoid(geometry, center_mm, radii_mm):
    """Return a mask around `center_mm` (z, y, x from the corner of the volume)."""
    grids = np.ogrid[tuple(slice(n) for n in geometry.shape)]
    distance = sum(
        (((g + 0.5) * s - c) / r) ** 2 for g, s, c, r in zip(grids, geometry.spacing, center_mm, radii_mm, strict=True)
    )
    return distance <= 1


def kidneys(spacing=(3.0, 2.0, 2.0), extent_mm=(180, 160, 240), which="both", tumor_mm=16.0):
    """Return canonical labels of ellipsoid kidneys with a tumor on the right and a cyst on the left, and their grid."""
    shape = tuple(round(e / s) for e, s in zip(extent_mm, spacing, strict=True))
    geometry = Geometry.from_spacing(shape, spacing)
    labels = np.zeros(shape, np.uint8)
    z, y, x = (e / 2 for e in extent_mm)
    right, left = (z + 5, y + 15, x - 60), (z - 10, y + 15, x + 60)
    if which in ("both", "right"):
        labels[ellipsoid(geometry, right, (50, 25, 28))] = 1
        labels[ellipsoid(geometry, (right[0] + 10, right[1], right[2] - 20), (tumor_mm,) * 3)] = 2
    if which in ("both", "left"):
        labels[ellipsoid(geometry, left, (52, 24, 27))] = 1
        labels[ellipsoid(geometry, (left[0] - 12, left[1], left[2] + 20), (14, 14, 14))] = 3
    if which == "horseshoe":
        labels[ellipsoid(geometry, (z, y, x), (30, 22, 95))] = 1
    return labels, geometry


def marked_scan(labels, geometry):
    """Return the scan that shows `labels` as intensities."""
    return Volume(array=HU[labels], geometry=geometry, name="marked")


def levels_of(stage):
    """Return the normalized intensities of each class of `stage`: what its training target calls that class."""
    target = stage.recipe.target(np.arange(4, dtype=np.uint8)[None, None])
    classes = (target[0] if target.ndim > 3 else target).ravel()
    values = stage.normalize(HU[None, None].astype(np.float32), (1.0, 1.0, 1.0)).ravel()
    count = len(stage.classes) + (stage.activation == "sigmoid")  # what is outside all nested structures has no channel
    return tuple(tuple(map(float, values[classes == index])) for index in range(count))


class NestedOracle(Oracle):
    """Scores, positive inside, of structures each nested in the one before; the first of `levels` is outside all."""

    def forward(self, windows):
        distances = torch.stack([self._distance(windows, level) for level in self.levels])
        inside = [distances[: k + 1].amin(dim=0) - distances[k + 1 :].amin(dim=0) for k in range(len(distances) - 1)]
        return self.gain * torch.cat(inside, dim=1)


def oracle_for(stage):
    """Return the network that reads the marks for `stage`."""
    return NestedOracle if stage.activation == "sigmoid" else Oracle


def is_filter(step):
    return isinstance(step, NeighborhoodStep)


def with_oracles(method, scan=None):
    """Return `method` with every network replaced by one that reads the marks; all else is the method's own.

    Steps that look at the whole scan are fitted to `scan`, or to one of both kidneys: the marks must be known. Filters
    are left out: an oracle takes a blurred edge for the class whose mark lies in between.
    """
    unfiltered = [replace(s, intensity=tuple(i for i in s.intensity if not is_filter(i))) for s in method.stages]
    fitted = [fit(stage, scan or marked_scan(*kidneys())) for stage in unfiltered]
    stages = tuple(replace(s, network=oracle_for(s), network_args={"levels": levels_of(s)}) for s in fitted)
    return replace(method, stages=stages)


def dice(first, second):
    """Return 2 |A and B| / (|A| + |B|)."""
    return 2 * np.count_nonzero(first & second) / max(1, np.count_nonzero(first) + np.count_nonzero(second))
