from __future__ import annotations

from dataclasses import replace

import pytest

from napari_kidney_seg.core.averaging import AS_PRESET, Averaging, averaged, find_averaging
from napari_kidney_seg.core.errors import KidneySegError, UnknownMethodError
from tests.core.test_method import COARSE, METHOD

FLIPS = ((0,), (1,))
CHOICES = (Averaging(name="single", mirrors=(), members=1), Averaging(name="both", mirrors=FLIPS))
OFFERING = replace(METHOD, averagings=CHOICES)


def test_a_choice_is_found_by_name_and_no_name_is_what_the_preset_does():
    assert find_averaging(OFFERING, "both") is CHOICES[1]
    assert find_averaging(OFFERING, "") is AS_PRESET
    assert find_averaging(METHOD, "") is AS_PRESET


def test_an_unknown_choice_is_refused_with_the_known_names():
    with pytest.raises(UnknownMethodError, match=r"no averaging 'all'\. Choose one of 'single', 'both'\."):
        find_averaging(OFFERING, "all")
    with pytest.raises(
        UnknownMethodError, match=r"'toy' has no averaging 'single'\. It offers no choice: leave it out"
    ):
        find_averaging(METHOD, "single")


def test_every_stage_gets_the_mirrors_of_the_choice_and_keeps_its_own_without_one():
    own = replace(METHOD, stages=tuple(replace(stage, mirrors=((2,),)) for stage in METHOD.stages))

    assert [stage.mirrors for stage in averaged(own, CHOICES[1]).stages] == [FLIPS, FLIPS]
    assert [stage.mirrors for stage in averaged(own, CHOICES[0]).stages] == [(), ()]
    assert averaged(own, Averaging(members=1)) is own


@pytest.mark.parametrize(
    ("averaging", "predictions"),
    [
        (AS_PRESET, 2 * 3),
        (Averaging(mirrors=()), 3),
        (Averaging(mirrors=FLIPS, members=2), 3 * 2),
        (Averaging(mirrors=FLIPS, members=5), 3 * 3),
    ],
)
def test_predictions_are_those_of_the_mirrors_times_the_models_there_are(averaging, predictions):
    stage = replace(COARSE, mirrors=((0,),))

    assert averaging.predictions(stage, models=3) == predictions


def test_no_model_at_all_is_refused():
    with pytest.raises(KidneySegError, match="members=0; needed at least 1"):
        Averaging(members=0)
