"""Union of a kidney and a masses stage: masses win over kidney, and only the two kidneys are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS, LabelSchema
from napari_kidney_seg.core.method import StageOutput
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.inference.background import in_background
from napari_kidney_seg.inference.fusion import Labeling, Restored, class_ids, mask_of


@dataclass(frozen=True, kw_only=True)
class UnionFusion:
    """Fuses the stages ``"kidney"`` (background, kidney) and ``"masses"`` (background first) to one mask.

    Attributes
    ----------
    keep : KeepLargest
        The components of the foreground that stay. What a person gave as kidney always stays.
    restrict_to_kidney : bool
        Whether masses outside the kidney stage's kidneys are dropped. By default they stay if they touch a component
        that is kept.
    schema : LabelSchema

    Notes
    -----
    Of a masses stage that has a class kidney of its own, the likeliest class counts wherever that stage looked; the
    kidney stage is left with the rest of the scan. The paper [1]_ adds the two predictions, which is right only inside
    the kidney: outside it would turn tumor into kidney and cyst into tumor.

    References
    ----------
    .. [1] Lin, Fu and Zheng, "Kidney and kidney tumor segmentation using a two-stage cascade framework", KiTS21.
    """

    keep: KeepLargest
    restrict_to_kidney: bool = False
    schema: LabelSchema = KITS

    def __call__(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> Labeling:
        """Return the labels, uint8 (Z, Y, X), on the scan's grid `geometry`; yield as `inference.fusion` does."""
        kidney = outputs["kidney"]
        is_kidney = yield from mask_of(kidney, geometry)
        labels = yield from self._united(is_kidney, kidney, outputs["masses"], geometry)
        is_kept = yield from in_background(partial(self.keep, labels > 0, geometry.spacing), geometry.shape[0])
        if kidney.given:
            is_kept |= is_kidney
        return np.where(is_kept, labels, 0).astype(np.uint8)

    def _united(
        self, is_kidney: NDArray[np.bool_], kidney: StageOutput, masses: StageOutput, geometry: Geometry
    ) -> Labeling:
        organ = self.schema[self.schema.organ]
        ids = np.array(class_ids(masses.classes, self.schema), np.uint8)
        if kidney.given:
            ids[ids == organ.id] = 0  # what is kidney was decided by a person
        decides_kidney = organ.id in ids
        labels = is_kidney.astype(np.uint8) * np.uint8(organ.id)
        restored = Restored(masses, geometry, tuple(range(len(ids))))
        for slab in restored.slabs():
            found = ids[restored.within(slab).argmax(axis=0)]
            if self.restrict_to_kidney:
                found[~is_kidney[slab.slices]] = 0
            below = 0 if decides_kidney else labels[slab.slices]
            labels[slab.slices] = np.where(found > 0, found, below)
            yield slab.stop[0]
        return labels
