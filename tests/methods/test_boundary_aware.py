import numpy as np

from napari_kidney_seg.core.events import Progress, result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.methods.boundary_aware import CLASSES, INFERENCE, METHOD, fuse
from tests.inference.fakes import FakeBundle, finished
from tests.methods.fakes import kidneys, marked_scan, with_oracles


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


def test_the_inference_presets_are_the_rows_of_the_papers_table():
    assert INFERENCE["single"] == RunOptions(mirrors="none", members=1)
    assert INFERENCE["single+TTA"].members == 1
    assert INFERENCE["paper"] == RunOptions()


def windows_run(method, labels, geometry, members):
    """Return how many windows a run over an ensemble of three predicts."""
    run = run_cascade(
        marked_scan(labels, geometry),
        method,
        FakeBundle(method, members_per_stage=3),
        options=RunOptions(device="cpu", engine="torch", members=members),
    )
    events, _ = finished(run)
    return max(event.total for event in events if isinstance(event, Progress) and event.stage == "kidney")


def test_an_ensemble_runs_every_member_and_a_single_run_one():
    method = with_oracles(METHOD.with_preset("smoke"))
    labels, geometry = kidneys((10.0, 8.0, 8.0))

    single = windows_run(method, labels, geometry, INFERENCE["single"].members)

    assert windows_run(method, labels, geometry, INFERENCE["paper"].members) == 3 * single
