from itertools import combinations

import numpy as np
import pytest

from napari_kidney_seg.core.averaging import averaged, find_averaging
from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.methods.boundary_aware import ALL_FLIPS, CLASSES, METHOD, fuse
from tests.inference.fakes import FakeBundle, codes, finished
from tests.methods.fakes import NestedOracle, dice, kidneys, marked_scan, with_oracles

EIGHT = {frozenset(axes) for count in range(4) for axes in combinations((0, 1, 2), count)}  # axes flipped together


def test_the_papers_sizes_and_recipe():
    (stage,) = METHOD.stages

    assert (stage.window, stage.grid.spacing, stage.activation) == ((176,) * 3, (1.0, 1.0, 1.0), "sigmoid")
    assert len({frozenset(axes) for axes in stage.mirrors}) == 7
    assert (stage.recipe.learning_rate, stage.recipe.schedule, stage.recipe.epochs) == (5e-5, "poly", 300)
    assert dict(stage.recipe.sampler.shares) == {"tumor": 0.8, "foreground": 0.1, "background": 0.1}


def test_intensity_is_a_thousandth_clipped_and_padding_is_air():
    (stage,) = METHOD.stages

    np.testing.assert_allclose(
        stage.normalize(np.array([[[-2000, -500, 0, 40, 3000]]]), (1, 1, 1)).ravel(), [-1, -0.5, 0, 0.04, 1], atol=1e-6
    )
    assert stage.pad_value == -1


def test_a_tumor_wins_also_outside_the_kidney():
    box = Box.whole((1, 1, 4))
    kidney, tumor = [0.2, 0.6, 0.9, 0.4], [0.1, 0.5, 0.6, 0.7]
    probabilities = np.array([kidney, tumor], np.float32).reshape(2, 1, 1, 4)
    region = RegionOutput(box=box, probabilities=probabilities)
    output = StageOutput(stage="kidney", classes=CLASSES, regions=(region,))

    labels = result_of(fuse({"kidney": output}, Geometry.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))))

    assert labels.ravel().tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("preset", ["paper", "compact"])
def test_the_averagings_are_the_rows_of_the_papers_table_at_every_preset(preset):
    method = METHOD.with_preset(preset)
    single, mirrored, paper = (find_averaging(method, name) for name in ("single", "single+TTA", "paper"))

    (stage,) = method.stages
    assert [one.predictions(stage, models=5) for one in (single, mirrored, paper)] == [1, 8, 40]
    assert averaged(method, single).stages[0].mirrors == ()
    assert {frozenset(axes) for axes in averaged(method, mirrored).stages[0].mirrors} == EIGHT - {frozenset()}


def test_without_a_choice_the_paper_preset_averages_all_and_the_compact_one_nothing():
    assert [METHOD.with_preset(name).stages[0].mirrors for name in ("paper", "compact")] == [ALL_FLIPS, ()]


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs the smoke preset over three models; it returns the windows they saw, and notices."""
    labels, geometry = kidneys((10.0, 8.0, 8.0))
    method = with_oracles(METHOD.with_preset("smoke"))
    seen = []
    forward = NestedOracle.forward
    monkeypatch.setattr(NestedOracle, "forward", lambda self, windows: seen.append(windows) or forward(self, windows))

    def of(name):
        seen.clear()
        options = RunOptions(device="cpu", engine="torch", averaging=find_averaging(method, name))
        bundle = FakeBundle(method, members_per_stage=3)
        _, result = finished(run_cascade(marked_scan(labels, geometry), method, bundle, options=options))
        return list(seen), result

    return of


def test_mirroring_shows_the_network_each_window_in_all_eight_ways_also_where_the_preset_mirrors_nothing(run):
    single, _ = run("single")
    mirrored, _ = run("single+TTA")

    assert len(mirrored) == 8 * len(single)
    first = [tuple(one.ravel().tolist()) for one in mirrored[:8]]
    ways = [single[0].flip([axis + 2 for axis in axes]) for axes in EIGHT]
    assert sorted(first) == sorted(tuple(one.ravel().tolist()) for one in ways)


def test_the_papers_averaging_takes_every_model_and_all_choices_find_the_same_kidneys(run):
    single, plain = run("single")
    every, ensemble = run("paper")

    assert len(every) == 3 * 8 * len(single)
    assert dice(plain.labels.array > 0, ensemble.labels.array > 0) > 0.99
    (text,) = [notice.text for notice in ensemble.notices if notice.code == "averaging"]
    assert "the mean of 24 predictions of each window (plain and mirrored 7 ways, by 3 models)" in text


def test_by_itself_the_smaller_preset_makes_one_prediction_by_each_model(run):
    single, _ = run("single")
    by_itself, result = run("")

    assert len(by_itself) == 3 * len(single)
    assert "averaging" not in codes(result.notices)
