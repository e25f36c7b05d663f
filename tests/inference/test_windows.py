import pytest

from napari_kidney_seg.inference.windows import WindowPlan, window_spans


@pytest.mark.parametrize(
    ("length", "overlap", "expected"),
    [(9, 0.5, [0, 2, 4, 5]), (8, 0.0, [0, 4]), (4, 0.5, [0]), (10, 0.25, [0, 3, 6])],
)
def test_windows_cover_an_axis_and_the_last_one_ends_with_it(length, overlap, expected):
    plan = WindowPlan(window=(4, 4, 4), overlap=(overlap, 0.5, 0.5))

    assert [span[0].start for span in window_spans((length, 4, 4), plan)] == expected


def test_windows_run_along_x_first_and_z_last():
    spans = window_spans((6, 4, 6), WindowPlan(window=(3, 4, 3), overlap=(0, 0, 0)))

    assert [tuple(axis.start for axis in span) for span in spans] == [(0, 0, 0), (0, 0, 3), (3, 0, 0), (3, 0, 3)]
    assert all([axis.stop - axis.start for axis in span] == [3, 4, 3] for span in spans)
