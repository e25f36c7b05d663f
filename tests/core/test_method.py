from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError, UnknownMethodError
from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.guide import Guide
from napari_kidney_seg.core.method import Method, Paper, Stage, StageOutput
from napari_kidney_seg.core.recipe import Recipe


@dataclass(frozen=True)
class Clip:
    low: float
    high: float

    def __call__(self, array, spacing):
        return np.clip(array, self.low, self.high)

    def map_value(self, value):
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Divide:
    by: float

    def __call__(self, array, spacing):
        return array / self.by

    def map_value(self, value):
        return value / self.by


class WholeScan:
    sources = ()

    def boxes(self, outputs, geometry):
        return (Box.whole(geometry.shape),)


def not_run(*_):
    raise AssertionError("reading a method must run nothing")


COARSE = Stage(
    name="coarse",
    title="Coarse network",
    classes=("background", "kidney"),
    network=not_run,
    network_args={},
    region=WholeScan(),
    intensity=(Clip(-200, 400), Divide(100)),
    window=(16, 16, 16),
    recipe=Recipe(sampler=not_run, target=not_run, loss=not_run),
)
METHOD = Method(
    name="toy",
    title="Toy",
    idea="One stage.",
    paper=Paper(authors="A", title="T", venue="V", url="https://example.org", challenge="KiTS23"),
    stages=(COARSE, replace(COARSE, name="fine")),
    fuse=not_run,
    presets={
        "paper": lambda method: method,
        "compact": lambda method: replace(method, stages=tuple(replace(s, window=(8, 8, 8)) for s in method.stages)),
    },
)


def test_intensity_steps_run_in_order():
    normalized = COARSE.normalize(np.array([-1000, -50, 300, 3000], np.int16), (1, 1, 1))

    np.testing.assert_allclose(normalized, [-2, -0.5, 3, 4])
    assert normalized.dtype == np.float32


def test_pad_value_is_what_air_becomes():
    assert COARSE.pad_value == -2
    assert replace(COARSE, intensity=(Divide(1000),)).pad_value == -1.024
    assert replace(COARSE, intensity=()).pad_value == -1024


def test_a_drawn_mask_becomes_certain_probabilities_in_its_bounding_box():
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 2, 3] = 1
    mask[2, 2, 4] = 7

    output = StageOutput.from_mask("kidney", ("background", "kidney"), mask)

    assert output.given
    assert output.regions[0].box == Box(start=(1, 2, 3), stop=(3, 3, 5))
    np.testing.assert_array_equal(output.regions[0].probabilities[1], [[[1, 0]], [[0, 1]]])
    np.testing.assert_array_equal(output.regions[0].probabilities[0], [[[0, 1]], [[1, 0]]])


def test_an_empty_drawn_mask_is_an_output_without_regions():
    output = StageOutput.from_mask("kidney", ("background", "kidney"), np.zeros((2, 2, 2)))

    assert output.given
    assert output.regions == ()


def test_a_stage_has_a_channel_for_the_ct_and_one_for_each_guide():
    guide = Guide(source="coarse", target=not_run)

    assert COARSE.channels == 1
    assert replace(COARSE, name="fine", requires=("coarse",), guides=(guide,)).channels == 2


def test_a_guide_that_is_not_required_is_refused():
    with pytest.raises(KidneySegError, match=r"'fine' is guided by 'coarse'; it requires \(\)"):
        replace(COARSE, name="fine", guides=(Guide(source="coarse", target=not_run),))


def test_stages_are_found_by_name():
    assert METHOD.stage("fine") is METHOD.stages[1]


def test_an_unknown_stage_is_refused_with_the_known_names():
    with pytest.raises(UnknownMethodError, match=r"'toy' has no stage 'middle'\. Choose one of 'coarse', 'fine'"):
        METHOD.stage("middle")


def test_a_preset_changes_sizes_and_is_remembered():
    compact = METHOD.with_preset("compact")

    assert compact.preset == "compact"
    assert compact.stage("coarse").window == (8, 8, 8)
    assert METHOD.stage("coarse").window == (16, 16, 16)


def test_an_unknown_preset_is_refused_with_the_known_names():
    with pytest.raises(UnknownMethodError, match=r"no preset 'tiny'\. Choose one of 'paper', 'compact'"):
        METHOD.with_preset("tiny")
