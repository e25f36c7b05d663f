"""Slice recall and precision of a detector on a labelled case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.evaluation.detection import DetectionCounts, count_matches
from napari_kidney_seg.imaging.slice_boxes import kidney_rectangles
from napari_kidney_seg.inference.prepare import PreparedRegion, prepare
from napari_kidney_seg.training.cases import Case

if TYPE_CHECKING:
    from napari_kidney_seg.networks.faster_rcnn import SliceDetector

SLICES = 8  # looked at together


@torch.inference_mode()
def slice_scores(network: SliceDetector, case: Case, stage: Stage) -> DetectionCounts:
    """Return what `network` finds on all slices of `case`, against the reference rectangles on the scan's pixels.

    Parameters
    ----------
    network : SliceDetector in evaluation mode
    case : Case
    stage : Stage
        The detector's: prepares the slices.
    """
    wanted = kidney_rectangles(np.asarray(case.labels) > 0)
    total = DetectionCounts()
    for first in range(0, case.labels.shape[0], SLICES):
        last = min(first + SLICES, case.labels.shape[0])
        box = Box((first, 0, 0), (last, *case.labels.shape[1:]))
        region = prepare(case.scan, stage, box)
        for z, found in zip(range(first, last), _found(network, region), strict=True):
            total += count_matches(found, wanted[:, z][wanted[:, z].any(axis=1)].astype(float))
    return total


def _found(network: SliceDetector, region: PreparedRegion) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Return the rectangles (N, 4) on each slice of a region, the surest first, on the scan's pixels."""
    inner = region.inner
    slices = torch.from_numpy(region.array[:, inner.slices[0]])
    device = next(network.parameters()).device
    scale = np.tile(np.array(region.box.shape[1:]) / inner.shape[1:], 2)
    origin = np.tile(inner.start[1:], 2)
    return [(boxes.double().cpu().numpy() - origin) * scale for boxes, _ in network.boxes(slices.to(device))]
