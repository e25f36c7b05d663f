import numpy as np
import pytest

from napari_kidney_seg.phantom.contrast import TUMOR_SUBTYPES, draw_contrast
from napari_kidney_seg.phantom.lesions import (
    LesionCounts,
    add_lesions,
    cyst_hu,
    draw_subtype,
    paint_foreign_lesions,
    tumor_hu,
)
from napari_kidney_seg.phantom.sampling import CYST, KIDNEY, TUMOR, kidney_fields
from napari_kidney_seg.phantom.scene import Grid, Scene


@pytest.fixture(scope="module")
def painted(kidneys):
    grid = Grid.of(kidneys.geometry)
    return Scene(grid=grid, rng=np.random.default_rng(0)), kidney_fields(kidneys, grid)


def test_subtypes_come_as_often_as_in_surgery():
    rng = np.random.default_rng(0)

    drawn = [draw_subtype(rng) for _ in range(500)]

    assert set(drawn) == set(TUMOR_SUBTYPES)
    assert drawn.count("clear cell") / 500 == pytest.approx(0.48, abs=0.06)


def test_a_clear_cell_tumor_is_brighter_and_more_mottled_than_a_papillary_one(painted):
    scene, fields = painted
    hu = draw_contrast("corticomedullary", np.random.default_rng(0))

    clear, papillary = (tumor_hu(scene, hu, fields, subtype) for subtype in ("clear cell", "papillary"))

    assert np.median(clear) > np.median(papillary) + 25
    assert clear.std() > 1.5 * papillary.std()


def test_an_angiomyolipoma_holds_fat(painted):
    scene, fields = painted
    hu = draw_contrast("portal venous", np.random.default_rng(0))

    picture = tumor_hu(scene, hu, fields, "angiomyolipoma")

    assert (picture < -40).mean() > 0.1


def test_cysts_are_mostly_water(painted):
    scene, fields = painted

    means = [float(cyst_hu(scene, fields).mean()) for _ in range(100)]

    assert np.mean([-5 < mean < 20 for mean in means]) > 0.8


def test_lesions_touch_the_kidney_and_leave_some_of_it():
    grid = Grid.around((0.0, 0.0, 0.0), (120.0, 90.0, 90.0), (2.0, 2.0, 2.0))
    labels = np.zeros(grid.shape, np.uint8)
    labels[10:50, 10:35, 10:35] = KIDNEY

    add_lesions(labels, grid, LesionCounts(tumors=1, cysts=2), np.random.default_rng(1))

    assert set(np.unique(labels)) == {0, KIDNEY, TUMOR, CYST}


def test_no_lesion_grows_without_a_kidney():
    labels = np.zeros((10, 10, 10), np.uint8)

    add_lesions(
        labels,
        Grid.around((0.0, 0.0, 0.0), (20.0, 20.0, 20.0), (2.0, 2.0, 2.0)),
        LesionCounts(tumors=3),
        np.random.default_rng(0),
    )

    assert not labels.any()


def test_lesions_of_other_organs_stay_inside_them():
    grid = Grid.around((0.0, 0.0, 0.0), (60.0, 60.0, 60.0), (2.0, 2.0, 2.0))
    scene = Scene(grid=grid, rng=np.random.default_rng(2))
    organ = np.zeros(grid.shape, np.float32)
    organ[:, :, :15] = 1

    for _ in range(6):
        paint_foreign_lesions(scene, (0.0, 0.0, -10.0), (20.0, 20.0, 20.0), 100.0, organ)

    assert (scene.canvas[:, :, :15] > -900).any()
    assert (scene.canvas[:, :, 15:] == -1000).all()
