from napari_kidney_seg.io.card_text import mean_lines, score_lines

SCORES = {
    "real scans": {"a": {"kidney": 0.93521, "lesion_ml": 12.0}, "b": {"false_foreground_ml": 3}},
    "24 phantoms": {"kidney": 0.9, "notes": "few"},
    "validation": 0.71234,
}


def test_every_group_of_figures_is_a_line():
    assert score_lines(SCORES) == [
        "real scans, a: kidney 0.935, lesion 12 ml",
        "real scans, b: false foreground 3 ml",
        "24 phantoms: kidney 0.9, notes few",
        "validation: 0.712",
    ]


def test_means_leave_single_scans_out():
    assert mean_lines(SCORES) == ["24 phantoms: kidney 0.9, notes few", "validation: 0.712"]
    assert mean_lines({}) == []
