"""The regions of kidneys that were found slice by slice: rectangles stacked to a volume, and the rules on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_kidney_seg.core.errors import check_choice
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.components import components
from napari_kidney_seg.imaging.slice_boxes import close_gaps_along_z
from napari_kidney_seg.inference.regions import foreground, to_scan

RATIO_RULES = ("paper", "keep_if_plausible")


@dataclass(frozen=True)
class Candidate:
    """A component that may be a kidney: its volume in ml and its box on the scan's grid."""

    ml: float
    box: Box


@dataclass(frozen=True, kw_only=True)
class AroundDetectedKidneys:
    """A box around each of the two largest components of stacked detections, the second only where it is plausible.

    Attributes
    ----------
    sources : names of stages
        The first that has an output counts. One that a person gave is taken as it is: no rule below applies.
    z_gap_mm : float
        Gaps along z up to this are closed first: a slice without detection would cut a kidney in two. 0 is the paper.
    min_ml : float
        Smaller components, and those on a single slice, are none.
    max_ratio : float
        The second component is dropped when the first has more than this times its volume.
    ratio_rule : ``"paper"`` or ``"keep_if_plausible"``
        The latter keeps the second component all the same when it has at least `plausible_ml`. The paper's rule drops
        a real kidney in 16 of the 210 cases of KiTS19, beside a huge tumor of the other one.
    plausible_ml : float
    margin_mm : float
        Added on both sides of each axis, cut to the scan; the paper states none.
    count : int
        Boxes at most.

    References
    ----------
    .. [1] Kamkova et al., KiTS19, section 3.3.
    """

    sources: tuple[str, ...] = ("kidney",)
    z_gap_mm: float = 10.0
    min_ml: float = 10.0
    max_ratio: float = 3.0
    ratio_rule: str = "paper"
    plausible_ml: float = 30.0
    margin_mm: float = 0.0
    count: int = 2

    def __post_init__(self) -> None:
        check_choice("ratio_rule", self.ratio_rule, RATIO_RULES)

    def boxes(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Box, ...]:
        """Return the boxes on the scan's grid `geometry`, the largest component first; none without a kidney."""
        margin = tuple(int(np.ceil(self.margin_mm / step)) for step in geometry.spacing)
        kept, _ = self._judged(outputs, geometry)
        return tuple(one.box.grown(margin, geometry.shape) for one in kept)  # type: ignore[arg-type]

    def notices(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Notice, ...]:
        """Return a notice for each component that is large enough for a kidney and was dropped all the same."""
        kept, dropped = self._judged(outputs, geometry)
        return tuple(_dropped_notice(one, kept[0], self.max_ratio) for one in dropped)

    def _judged(
        self, outputs: Mapping[str, StageOutput], geometry: Geometry
    ) -> tuple[list[Candidate], list[Candidate]]:
        """Return the candidates that count as kidneys, and the second one where the ratio rule drops it."""
        output = next(outputs[name] for name in self.sources if name in outputs)
        found = sorted(self._candidates(output, geometry), key=lambda one: -one.ml)[: self.count]
        if output.given or len(found) < 2 or self._is_kidney(found[0], found[1]):
            return found, []
        return found[:1], found[1:]

    def _is_kidney(self, first: Candidate, second: Candidate) -> bool:
        is_plausible = self.ratio_rule == "keep_if_plausible" and second.ml >= self.plausible_ml
        return is_plausible or first.ml <= self.max_ratio * second.ml

    def _candidates(self, output: StageOutput, geometry: Geometry) -> list[Candidate]:
        found = [one for region in output.regions for one in self._stacked(region, output, geometry)]
        return found if output.given else [one for one in found if one.ml >= self.min_ml and one.box.shape[0] > 1]

    def _stacked(self, region: RegionOutput, output: StageOutput, geometry: Geometry) -> list[Candidate]:
        working = region.probabilities.shape[1:]
        spacing = geometry.cropped(region.box).resized(working)
        mask = foreground(region, output.classes)
        if not output.given:
            mask = close_gaps_along_z(mask, int(self.z_gap_mm / spacing.spacing[0] + 1e-6))
        return [
            Candidate(one.voxels * spacing.voxel_ml, to_scan(one.box, working, region.box)) for one in components(mask)
        ]


def _dropped_notice(dropped: Candidate, kept: Candidate, max_ratio: float) -> Notice:
    first, last = dropped.box.start[0], dropped.box.stop[0] - 1
    return Notice(
        code="second_kidney_dropped",
        text=(
            f"A second box of {dropped.ml:.0f} ml in slices {first} to {last} was left out: the first has "
            f"{kept.ml:.0f} ml, more than {max_ratio:g} times as much. If it is a kidney, draw it and run from there."
        ),
    )
