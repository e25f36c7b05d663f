from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.events import Notice, result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.components import KeepLargerThan
from napari_kidney_seg.inference.masked_fusion import MaskedFusion
from napari_kidney_seg.inference.reach import Reach
from tests.inference.fakes import codes, finished

SHAPE = (12, 20, 60)
GRID = Geometry.from_spacing(SHAPE, (5.0, 2.0, 2.0))  # 0.02 ml a voxel
FUSION = MaskedFusion(keep=KeepLargerThan(voxels=1200))


def output(name, classes, index, **changes):
    """Return the output that says class `index` (Z, Y, X) for sure, over the whole grid."""
    certain = np.stack([index == number for number in range(len(classes))]).astype(np.float32)
    region = RegionOutput(box=Box.whole(SHAPE), probabilities=certain)
    return StageOutput(stage=name, classes=classes, regions=(region,), **changes)


def outputs(organ, lesion=None, **changes):
    lesion = np.zeros(SHAPE, np.uint8) if lesion is None else lesion
    return {
        "kidney": output("kidney", ("background", "kidney"), organ, **changes),
        "lesion": output("lesion", ("kidney", "cyst", "tumor"), lesion),
    }


def notices_of(organ, **changes):
    steps, _ = finished(FUSION(outputs(organ, **changes), GRID))
    return [step for step in steps if isinstance(step, Notice)]


@pytest.fixture
def organ():
    """A kidney of 1600 voxels, 32 ml, that stays, and nothing else."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:11, 2:18, 2:12] = 1
    return mask


def test_inside_the_kidney_the_likeliest_class_counts(organ):
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[:, :, 4:6], lesion[:, :, 6:8], lesion[:, :, 50:] = 1, 2, 2

    labels = result_of(FUSION(outputs(organ, lesion), GRID))

    assert labels[5, 5, 1:13].tolist() == [0, 1, 1, 3, 3, 2, 2, 1, 1, 1, 1, 0]
    assert not labels[:, :, 50:].any()


def test_ten_milliliters_that_are_removed_are_told_with_size_place_and_remedy(organ):
    organ[3:8, 5:15, 30:40] = 1  # 500 voxels, 10 ml
    organ[0, 0, 50:55] = 1

    (notice,) = notices_of(organ)

    assert notice.code == "components_removed"
    assert notice.level == "warning"
    assert notice.text.startswith("2 components were found and removed as too small for a kidney, 10 ml in all;")
    assert "the largest, 10 ml, lay in slices 3 to 7" in notice.text
    assert "draw it in the kidney layer and press “Re-run from here”" in notice.text


def test_a_single_component_is_told_as_one(organ):
    organ[3:8, 5:15, 30:50] = 1

    (notice,) = notices_of(organ)

    assert notice.text.startswith("1 component was found and removed as too small for a kidney, 20 ml")
    assert "lay in slices 3 to 7" in notice.text  # of the scan; the foreground begins in slice 1


def test_less_than_ten_milliliters_are_removed_without_a_word(organ):
    organ[3:8, 5:15, 30:40] = 1
    organ[3, 5, 30] = 0

    steps, labels = finished(FUSION(outputs(organ), GRID))

    assert codes(step for step in steps if isinstance(step, Notice)) == []
    assert np.count_nonzero(labels) == 1600


def test_a_kidney_that_a_person_gave_stays_however_small(organ):
    organ[:] = 0
    organ[3:8, 5:15, 30:50] = 1

    assert notices_of(organ, given=True) == []
    np.testing.assert_array_equal(result_of(FUSION(outputs(organ, given=True), GRID)), organ)


class TestALesionStageWithBackground:
    """A tumor in columns 8 to 19, of which the kidney stage outlined those up to 11; another lies by itself."""

    FUSION = MaskedFusion(keep=KeepLargerThan(voxels=200))

    @pytest.fixture
    def lesion(self, organ):
        index = organ.copy()
        index[4:8, 6:14, 8:20] = 3
        index[4:8, 6:14, 40:56] = 3  # 512 voxels, 10 ml
        return self.answer(index)

    @staticmethod
    def answer(index):
        return output("lesion", ("background", "kidney", "cyst", "tumor"), index)

    def found(self, organ, lesion, **changes):
        steps, labels = finished(self.FUSION(outputs(organ, **changes) | {"lesion": lesion}, GRID))
        return labels, [step for step in steps if isinstance(step, Notice)]

    def test_what_bulges_out_of_the_outline_is_added(self, organ, lesion):
        labels, _ = self.found(organ, lesion)

        assert np.flatnonzero(labels[5, 8] == 2)[:12].tolist() == list(range(8, 20))
        assert np.count_nonzero(labels) == np.count_nonzero(organ) + 4 * 8 * 8

    def test_what_touches_no_kidney_is_left_out_and_told(self, organ, lesion):
        labels, (notice,) = self.found(organ, lesion)

        assert not labels[:, :, 20:].any()
        assert notice.code == "masses_detached"
        assert notice.text.startswith("10 ml that looked like a mass touched no kidney")
        assert "in slices 4 to 7." in notice.text

    def test_a_speck_of_the_kidney_stage_makes_no_kidney_of_what_it_touches(self, organ, lesion):
        organ[5, 8, 39] = 1

        labels, _ = self.found(organ, lesion)

        assert not labels[:, :, 20:].any()

    def test_an_outline_that_a_person_drew_is_kept(self, organ, lesion):
        labels, notices = self.found(organ, lesion, given=True)

        np.testing.assert_array_equal(labels > 0, organ > 0)
        assert np.flatnonzero(labels[5, 8] == 2).tolist() == list(range(8, 12))
        assert notices == []

    def test_where_no_kidney_was_found_no_mass_is_either(self, organ, lesion):
        labels, _ = self.found(np.zeros_like(organ), lesion)

        assert not labels.any()

    def test_what_touches_only_through_what_is_out_of_reach_is_left_out(self, organ):
        coarse = output("coarse", ("background", "kidney"), organ.copy())
        index = organ.copy()
        index[5, 4, 12:20] = index[5, 4:12, 19] = index[5, 11, 13:20] = 3  # out from the kidney and back, almost to it
        near = replace(self.FUSION, reach=Reach(source="coarse", mm=6.0))

        labels = result_of(near(outputs(organ) | {"lesion": self.answer(index), "coarse": coarse}, GRID))

        assert np.argwhere(labels == 2).tolist() == [[5, 4, 12], [5, 4, 13], [5, 4, 14]]


class TestReach:
    """The kidney of 32 ml reaches from column 2 to 11; a muscle of 60 ml goes on from there."""

    FUSION = MaskedFusion(keep=KeepLargerThan(voxels=1200), reach=Reach(source="coarse", mm=6.0))

    @pytest.fixture
    def found(self, organ):
        """Outputs in which the kidney stage has taken a muscle in, but the coarse stage has not."""
        coarse = output("coarse", ("background", "kidney"), organ.copy())
        organ[1:11, 2:12, 12:42] = 1
        return outputs(organ) | {"coarse": coarse}

    def test_what_is_too_far_from_the_coarse_kidneys_is_left_out(self, found):
        labels = result_of(self.FUSION(found, GRID))

        assert np.flatnonzero(labels[5, 5]).tolist() == list(range(2, 15))  # 2 mm a column

    def test_ten_milliliters_left_out_are_told(self, found):
        steps, _ = finished(self.FUSION(found, GRID))

        (notice,) = [step for step in steps if isinstance(step, Notice)]
        assert notice.code == "out_of_reach"
        assert notice.text.startswith(
            "54 ml that looked like kidney or a mass lay more than 6 mm from the kidneys of stage 'coarse'"
        )

    def test_without_a_coarse_output_everything_counts(self, found):
        del found["coarse"]

        assert result_of(self.FUSION(found, GRID))[5, 5, 40] == 1

    def test_what_a_person_marked_for_the_coarse_stage_limits_nothing(self, found):
        found["coarse"] = replace(found["coarse"], given=True)

        assert result_of(self.FUSION(found, GRID))[5, 5, 40] == 1

    def test_a_kidney_that_a_person_drew_is_in_reach(self, found):
        drawn = outputs((found["kidney"].regions[0].probabilities[1]), given=True)

        assert result_of(self.FUSION(found | drawn, GRID))[5, 5, 40] == 1
