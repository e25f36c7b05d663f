import numpy as np
import pytest

from napari_kidney_seg.phantom.scene import (
    Ellipsoid,
    Grid,
    Scene,
    Texture,
    apply_separable,
    ball,
    bezier,
    ramp,
    smooth_noise,
)

GRID = Grid.around((10.0, -20.0, 30.0), (80.0, 60.0, 100.0), (4.0, 2.0, 2.0))


def scene(grid=GRID, seed=0):
    return Scene(grid=grid, rng=np.random.default_rng(seed))


def painted_ml(canvas, grid, hu):
    return float(((canvas + 1000) / (hu + 1000)).sum() * np.prod(grid.spacing)) / 1000


def test_grid_is_canonical_and_centered_where_asked():
    assert GRID.shape == (20, 30, 50)
    assert GRID.geometry.axis_codes == "IPL"
    assert GRID.geometry.spacing == pytest.approx((4.0, 2.0, 2.0))
    assert GRID.center == pytest.approx((10.0, -20.0, 30.0))


def test_z_falls_with_the_index_while_y_and_x_rise():
    assert GRID.axis(0)[:2] == pytest.approx([48.0, 44.0])
    assert GRID.axis(1)[:2] == pytest.approx([-49.0, -47.0])
    assert GRID.last == pytest.approx((-28.0, 9.0, 79.0))


def test_a_geometry_makes_the_grid_it_came_from():
    again = Grid.of(GRID.geometry)

    assert again.shape == GRID.shape
    assert again.first == pytest.approx(GRID.first)


def test_box_holds_both_corners_whatever_their_order():
    box = GRID.box((20.0, -30.0, 10.0), (0.0, -10.0, 50.0))

    z, y, x = GRID.mesh(box)
    assert z.min() <= 0 < 20 <= z.max()
    assert y.min() <= -30 < -10 <= y.max()
    assert x.min() <= 10 < 50 <= x.max()


def test_box_outside_the_grid_is_empty():
    box = GRID.box((500.0, 0.0, 0.0), (600.0, 1.0, 1.0))

    assert scene().canvas[box].size == 0


def test_refined_slices_average_back_to_the_slices_they_divide():
    fine = GRID.refined(4)

    assert fine.shape == (80, 30, 50)
    assert fine.axis(0).reshape(-1, 4).mean(1) == pytest.approx(GRID.axis(0))


@pytest.mark.parametrize("radius", [8.0, 15.0, 22.0])
def test_a_ball_paints_its_volume(radius):
    grid = Grid.around((0.0, 0.0, 0.0), (60.0, 60.0, 60.0), (1.5, 1.5, 1.5))
    canvas = scene(grid)

    canvas.fill(ball((1.0, 0.3, -0.7), radius), 40.0)

    assert painted_ml(canvas.canvas, grid, 40.0) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)


def test_a_turned_ellipsoid_is_the_same_as_one_with_swapped_radii():
    mesh = GRID.mesh()
    turned = Ellipsoid(center=(0.0, 0.0, 0.0), radii=(20.0, 10.0, 16.0), angle=np.pi / 2)
    swapped = Ellipsoid(center=(0.0, 0.0, 0.0), radii=(20.0, 16.0, 10.0))

    np.testing.assert_allclose(turned.distance(mesh), swapped.distance(mesh), atol=1e-3)


def test_an_edge_is_one_voxel_wide():
    weights = scene().coverage(np.array([-1.1, -0.5, 0.0, 0.5, 1.1], np.float32))

    assert weights == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


def test_paint_stays_within_its_limits():
    canvas = scene()
    left_half = (GRID.mesh()[2] > 30) * np.ones(GRID.shape, np.float32)

    canvas.fill(ball(GRID.center, 15.0), 50.0, within=left_half)

    assert canvas.canvas[:, :, GRID.axis(2) < 30].max() == -1000
    assert canvas.canvas.max() == 50


def test_texture_is_worked_out_on_the_box_asked_for():
    field = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    texture = Texture(mean=10.0, amplitude=2.0, field=field)

    assert texture[(slice(1, 2), slice(0, 1), slice(0, 2))].tolist() == [[[34.0, 36.0]]]


def test_a_straight_tube_paints_a_cylinder():
    grid = Grid.around((0.0, 0.0, 0.0), (80.0, 40.0, 40.0), (1.0, 1.0, 1.0))
    canvas = scene(grid)

    canvas.tube([(-60.0, 0.0, 0.0), (0.0, 0.0, 0.0), (60.0, 0.0, 0.0)], 6.0, 100.0)

    area = ((canvas.canvas[40] + 1000) / 1100).sum()
    assert area == pytest.approx(np.pi * 36, rel=0.06)


def test_a_bezier_curve_starts_and_ends_at_its_outer_points():
    curve = bezier([(0.0, 0.0, 0.0), (10.0, 20.0, 0.0), (20.0, 0.0, 0.0)], step_mm=1.0)

    assert curve[0] == pytest.approx([0, 0, 0])
    assert curve[-1] == pytest.approx([20, 0, 0])
    assert curve[len(curve) // 2] == pytest.approx([10, 10, 0], abs=0.7)


@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_noise_has_unit_variance_and_the_width_asked_for(sigma):
    grid = Grid.around((0.0, 0.0, 0.0), (120.0, 120.0, 120.0), (1.5, 1.5, 1.5))

    field = smooth_noise(grid, sigma, np.random.default_rng(5))

    lag = round(2 * sigma / 1.5)
    correlation = (field[:, :, lag:] * field[:, :, :-lag]).mean() / field.var()
    assert field.std() == pytest.approx(1, abs=0.1)
    assert correlation == pytest.approx(np.exp(-((lag * 1.5) ** 2) / (4 * sigma**2)), abs=0.12)


def test_one_scene_gives_one_field_per_width():
    canvas = scene()

    assert canvas.noise(5.0) is canvas.noise(5.0)
    assert not np.array_equal(canvas.noise(5.0), canvas.noise(6.0))


def test_separable_weights_act_on_their_own_axis():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    sums = [np.ones((1, n), np.float32) for n in values.shape]

    row_sums = apply_separable([np.eye(2, dtype=np.float32), sums[1], np.eye(4, dtype=np.float32)], values)

    assert apply_separable(sums, values).item() == 276
    assert row_sums[1, 0].tolist() == [48, 51, 54, 57]


def test_ramp_is_half_way_at_its_center():
    assert ramp(np.array([-9.0, 3.0, 15.0], np.float32), 3.0, 1.0) == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)
