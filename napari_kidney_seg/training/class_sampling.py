"""Training windows centered on a class drawn first, so that a small class is seen often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.sampling import Window, cut_window
from napari_kidney_seg.training.voxels import Voxel, box_around, random_voxel, window_shape

IS_CLASS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.bool_]]] = {
    "tumor": lambda labels: labels == KITS["tumor"].id,
    "foreground": lambda labels: labels > 0,
    "background": lambda labels: labels == 0,
}
INSTEAD = {"tumor": "foreground", "foreground": "background"}  # where a case lacks the class


@dataclass(frozen=True, kw_only=True)
class ClassCenteredCrop:
    """A window at the stage's resolution centered on tumor, any foreground or background.

    Attributes
    ----------
    shares : pairs of ``"tumor"``, ``"foreground"`` or ``"background"`` and its probability
        A case without tumor gives foreground, one without foreground background. Windows are shifted into the scan,
        and padded where it is smaller.

    References
    ----------
    .. [1] Myronenko and Hatamizadeh, KiTS19, arXiv:1909.06684, section 4.
    """

    shares: tuple[tuple[str, float], ...] = (("tumor", 0.8), ("foreground", 0.1), ("background", 0.1))

    def __call__(self, case: Case, stage: Stage, rng: np.random.Generator) -> Window:
        """Return one training window of `case`."""
        names, shares = zip(*self.shares, strict=True)
        center = self._center(case.labels, str(rng.choice(names, p=shares)), rng)
        whole = Box.whole(case.labels.shape)
        return cut_window(case, stage, box_around(center, window_shape(stage, case.scan.geometry), whole))

    def _center(self, labels: NDArray[np.uint8], name: str, rng: np.random.Generator) -> Voxel:
        found = random_voxel(labels, IS_CLASS[name], rng)
        if found is not None:
            return found
        if name in INSTEAD:
            return self._center(labels, INSTEAD[name], rng)
        z, y, x = (n // 2 for n in labels.shape)  # all of the scan is foreground
        return z, y, x
