import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.grid import FittedGrid, WorkingGrid


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (WorkingGrid(), (40, 100, 120)),
        (WorkingGrid(shape=(128, 128, 128)), (128, 128, 128)),
        (WorkingGrid(shape=(None, 224, 384)), (40, 224, 384)),
        (WorkingGrid(spacing=(2.5, 2.5, 2.5)), (80, 32, 38)),
        (WorkingGrid(spacing=(None, 1.6, None)), (40, 50, 120)),
        (WorkingGrid(shape=(64, None, None), spacing=(1.0, 0.4, None)), (64, 200, 120)),
        (WorkingGrid(spacing=(500.0, 500.0, 500.0)), (1, 1, 1)),
    ],
)
def test_working_grid_takes_a_fixed_shape_then_a_spacing_then_what_is_stored(grid, expected):
    geometry = Geometry.from_spacing((40, 100, 120), (5.0, 0.8, 0.8))  # 200 x 80 x 96 mm

    assert grid.shape_for(geometry) == expected


def test_a_spacing_that_matches_within_one_percent_is_left_as_it_is_axis_by_axis():
    geometry = Geometry.from_spacing((400, 500, 600), (3.0, 0.78, 0.78))

    assert WorkingGrid(spacing=(3.027, 0.7725, 0.7875)).shape_for(geometry) == (400, 500, 600)
    assert WorkingGrid(spacing=(3.04, 0.7875, 0.7715)).shape_for(geometry) == (395, 500, 607)


@pytest.mark.parametrize(("shape", "expected"), [((30, 512, 512), (30, 256, 256)), ((30, 400, 800), (30, 128, 256))])
def test_a_fitted_grid_keeps_slices_and_the_sides_of_a_pixel(shape, expected):
    assert FittedGrid(pixels=(256, 256)).shape_for(Geometry.from_spacing(shape, (5.0, 0.8, 0.8))) == expected
