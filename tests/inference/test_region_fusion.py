from dataclasses import replace

import numpy as np

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.inference.region_fusion import one_organ_per_region

GRID = Geometry.from_spacing((4, 6, 12), (1.0, 1.0, 1.0))
IDS = (0, 1, 2)


def region(box, foreground, tumor=0.0):
    """Return a region with the probability `foreground` (z, y, x) of kidney or tumor, of which a share is tumor."""
    channels = [1 - foreground, foreground * (1 - tumor), foreground * tumor]
    return RegionOutput(box=box, probabilities=np.stack(channels).astype(np.float32))


def output_of(*regions, **changes):
    classes = ("background", "kidney", "tumor")
    return replace(StageOutput(stage="segmentation", classes=classes, regions=regions), **changes)


def fused(output):
    return result_of(one_organ_per_region(output, GRID, IDS))


def test_only_the_largest_component_of_a_region_is_kept_unless_a_person_drew_it():
    foreground = np.zeros((4, 6, 8))
    foreground[:, 1:4, 1:4] = foreground[:2, 5, 7] = 1
    box = Box((0, 0, 2), (4, 6, 10))

    predicted = fused(output_of(region(box, foreground)))
    drawn = fused(output_of(region(box, foreground), given=True))

    assert np.count_nonzero(predicted) == 4 * 3 * 3
    assert np.count_nonzero(drawn) == 4 * 3 * 3 + 2
    assert predicted[0, 1, 3] == 1


def test_where_regions_overlap_the_surer_one_counts():
    first, second = Box((0, 0, 0), (4, 6, 8)), Box((0, 0, 4), (4, 6, 12))
    sure, unsure = np.full((4, 6, 8), 0.9), np.full((4, 6, 8), 0.8)

    for regions in [(first, sure, 0), (second, unsure, 1)], [(second, unsure, 1), (first, sure, 0)]:
        labels = fused(output_of(*(region(*one) for one in regions)))

        assert (labels[:, :, :8] == 1).all()
        assert (labels[:, :, 8:] == 2).all()


def test_probabilities_are_restored_before_the_class_is_chosen():
    foreground = np.zeros((4, 6, 2))
    foreground[..., 1] = 1

    labels = fused(output_of(region(Box((0, 0, 0), (4, 6, 12)), foreground)))

    assert labels[0, 0].tolist() == [0] * 6 + [1] * 6
