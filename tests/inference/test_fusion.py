import numpy as np

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.resampling import resize
from napari_kidney_seg.inference.fusion import Restored, completed_argmax, mask_of, masked_argmax

GEOMETRY = Geometry.from_spacing((40, 12, 14), (2.0, 1.0, 1.0))
LESION = ("kidney", "cyst", "tumor")


def stage_output(classes, *regions: tuple[Box, np.ndarray]) -> StageOutput:
    made = tuple(RegionOutput(box=box, probabilities=values.astype(np.float32)) for box, values in regions)
    return StageOutput(stage="any", classes=classes, regions=made)


def row(*channels: list[float]) -> np.ndarray:
    """Channels of a single row of voxels, shape (C, 1, 1, n)."""
    return np.array(channels)[:, None, None, :]


def fused(organ: StageOutput, lesion: StageOutput, shape) -> np.ndarray:
    return result_of(masked_argmax(organ, lesion, Geometry.from_spacing(shape, (1.0, 1.0, 1.0)), (1, 3, 2)))


def test_masked_argmax_on_hand_computed_voxels():
    box = Box((0, 0, 1), (1, 1, 6))
    kidney = [0.9, 0.9, 0.9, 0.5, 0.1]
    organ = stage_output(("background", "kidney"), (box, row([1 - p for p in kidney], kidney)))
    lesion = stage_output(
        LESION, (box, row([0.5, 0.3, 0.2, 0.1, 0.1], [0.3, 0.4, 0.2, 0.8, 0.1], [0.2, 0.3, 0.6, 0.1, 0.8]))
    )

    labels = fused(organ, lesion, (1, 1, 8))

    # healthy, cyst (id 3), tumor (id 2), then exactly 0.5 and less are no kidney, whatever the lesion stage says
    np.testing.assert_array_equal(labels[0, 0], [0, 1, 3, 2, 0, 0, 0, 0])
    assert labels.dtype == np.uint8


def test_organ_where_the_lesion_stage_did_not_look_is_healthy():
    organ = stage_output(("background", "kidney"), (Box((0, 0, 0), (1, 1, 4)), row([0.0] * 4, [1.0] * 4)))
    lesion = stage_output(LESION, (Box((0, 0, 0), (1, 1, 2)), row([0.0, 0.0], [0.0, 1.0], [1.0, 0.0])))

    np.testing.assert_array_equal(fused(organ, lesion, (1, 1, 5))[0, 0], [2, 3, 1, 1, 0])


def test_no_regions_give_an_empty_mask():
    nothing = stage_output(("background", "kidney"))

    assert not fused(nothing, stage_output(LESION), (2, 3, 4)).any()


def test_probabilities_read_slab_by_slab_are_those_of_resizing_the_region_at_once():
    box = Box((3, 2, 1), (39, 11, 13))
    values = np.random.default_rng(0).random((3, 10, 18, 6)).astype(np.float32)
    restored = Restored(stage_output(LESION, (box, values)), GEOMETRY, (1, 2))

    found = np.zeros((2, *GEOMETRY.shape), np.float32)
    for slab in restored.slabs():
        found[(slice(None), *slab.slices)] = restored.within(slab)

    expected = np.zeros((2, *GEOMETRY.shape), np.float32)
    expected[(slice(None), *box.slices)] = resize(values[1:], box.shape)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_region_outside_the_scan_is_cut_off():
    output = stage_output(LESION, (Box((-2, -2, -2), (4, 4, 4)), np.full((3, 6, 6, 6), 0.25)))
    restored = Restored(output, GEOMETRY, (0,))

    (slab,) = restored.slabs()

    assert slab == Box((0, 0, 0), (4, 4, 4))
    assert restored.within(slab).sum() == 4**3 * 0.25


def test_a_background_class_never_wins_inside_the_organ():
    box = Box((0, 0, 0), (1, 1, 2))
    organ = stage_output(("background", "kidney"), (box, row([0.0, 0.0], [1.0, 1.0])))
    lesion = stage_output(("background", "kidney", "tumor"), (box, row([0.9, 0.9], [0.06, 0.04], [0.04, 0.06])))

    labels = result_of(masked_argmax(organ, lesion, Geometry.from_spacing((1, 1, 2), (1.0, 1.0, 1.0)), (0, 1, 2)))

    assert labels[0, 0].tolist() == [1, 2]


class TestCompletedArgmax:
    """A row of five voxels, the first two of them organ; ids are not the indices of the classes."""

    IDS, CLASSES = (0, 1, 3, 2), ("background", "kidney", "cyst", "tumor")
    GEOMETRY = Geometry.from_spacing((1, 1, 5), (1.0, 1.0, 1.0))

    def completed(self, *lesions):
        box = Box((0, 0, 0), (1, 1, 5))
        organ = stage_output(("background", "kidney"), (box, row([0.4, 0.4, 0.9, 0.9, 0.9], [0.6, 0.6, 0.1, 0.1, 0.1])))
        labels, is_organ = result_of(
            completed_argmax(organ, stage_output(self.CLASSES, *lesions), self.GEOMETRY, self.IDS)
        )
        assert is_organ[0, 0].tolist() == [True, True, False, False, False]
        return labels[0, 0].tolist()

    def test_beside_the_organ_only_a_lesion_counts_and_only_where_it_is_the_likeliest_class(self):
        values = row([0.6, 0.6, 0.4, 0.2, 0.2], [0.3, 0.1, 0.3, 0.6, 0.2], [0.0] * 5, [0.1, 0.3, 0.3, 0.2, 0.6])

        assert self.completed((Box((0, 0, 0), (1, 1, 5)), values)) == [1, 2, 0, 0, 2]

    def test_where_the_lesion_stage_did_not_look_the_organ_is_healthy_and_the_rest_background(self):
        values = row([0.1, 0.1], [0.0, 0.0], [0.9, 0.9], [0.0, 0.0])

        assert self.completed((Box((0, 0, 1), (1, 1, 3)), values)) == [1, 3, 3, 0, 0]
        assert self.completed() == [1, 1, 0, 0, 0]

    def test_where_two_of_its_regions_overlap_their_mean_counts(self):
        sure, unsure = row([0.0], [0.0], [0.9], [0.1]), row([0.6], [0.0], [0.0], [0.4])
        place = Box((0, 0, 3), (1, 1, 4))

        assert self.completed((place, sure), (place, unsure)) == [1, 1, 0, 3, 0]


def test_a_fusion_says_which_slice_it_has_come_to():
    organ = stage_output(("background", "kidney"), (Box((2, 0, 0), (38, 5, 5)), row([0.0], [1.0])))

    assert list(mask_of(organ, GEOMETRY)) == [10, 18, 26, 34, 38]


def test_a_mask_looks_only_within_the_box_that_is_asked_for():
    organ = stage_output(("background", "kidney"), (Box((2, 0, 0), (38, 5, 5)), row([0.0], [1.0])))

    is_organ = result_of(mask_of(organ, GEOMETRY, Box((30, 1, 1), (40, 3, 4))))

    assert is_organ.shape == GEOMETRY.shape
    assert np.count_nonzero(is_organ) == np.count_nonzero(is_organ[30:38, 1:3, 1:4]) == 8 * 2 * 3


def test_overlapping_regions_count_with_their_mean():
    one, other = Box((0, 0, 0), (1, 1, 3)), Box((0, 0, 2), (1, 1, 4))
    output = stage_output(("kidney",), (one, row([0.2, 0.2, 0.2])), (other, row([0.6, 0.6])))

    values = Restored(output, GEOMETRY, (0,)).within(Box((0, 0, 0), (1, 1, 5)))

    np.testing.assert_allclose(values[0, 0, 0], [0.2, 0.2, 0.4, 0.6, 0.0], atol=1e-6)


def test_slabs_hold_every_region_and_stay_inside_the_scan():
    output = stage_output(
        ("kidney",), (Box((2, 0, 0), (20, 5, 5)), row([1.0])), (Box((30, 3, 3), (44, 9, 20)), row([1.0]))
    )

    slabs = list(Restored(output, GEOMETRY, (0,)).slabs())

    assert [(slab.start[0], slab.stop[0]) for slab in slabs] == [(2, 10), (10, 18), (18, 26), (26, 34), (34, 40)]
    assert {(slab.start[1:], slab.stop[1:]) for slab in slabs} == {((0, 0), (9, 14))}
