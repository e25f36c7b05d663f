"""Means over cases, and what a row of the comparison holds."""

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.evaluation.comparison import COMPARISON_COLUMNS, MethodCase, MethodResult
from napari_kidney_seg.evaluation.detection import DetectionCounts
from napari_kidney_seg.evaluation.scores import CaseScores


def case(name, kidney, **facts):
    scores = CaseScores(
        name=name,
        dice={"kidney": kidney, "masses": 0.5, "tumor": 0.4},
        surface_dice={"kidney": 0.9, "masses": 0.5, "tumor": 0.3},
    )
    return MethodCase(scores=scores, **facts)


RESULT = MethodResult(
    method="rcnn-vnet",
    cases=(
        case("a", 0.9, seconds=2.0, peak_mb=900.0, detection=DetectionCounts(hits=3, extra=1, missed=0)),
        case(
            "b",
            0.7,
            seconds=4.0,
            peak_mb=1200.0,
            detection=DetectionCounts(hits=1, extra=0, missed=2),
            notices=(Notice(code="no_kidney", text="none"), Notice(code="scan", text="note", level="info")),
        ),
    ),
)


def test_scores_and_seconds_are_averaged_memory_is_the_highest_and_rectangles_add_up():
    mean = RESULT.mean

    assert abs(mean.scores.dice["kidney"] - 0.8) < 1e-12
    assert abs(mean.scores.kits19_composite - 0.6) < 1e-12
    assert (mean.seconds, mean.peak_mb) == (3.0, 1200.0)
    assert mean.detection == DetectionCounts(hits=4, extra=1, missed=2)


def test_a_row_names_method_case_scores_and_warnings():
    rows = [dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in RESULT.rows]

    assert [row["caseID"] for row in rows] == ["a", "b", "mean"]
    assert (rows[0]["slice_recall"], rows[0]["slice_precision"], rows[0]["notices"]) == (1.0, 0.75, "")
    assert (rows[1]["notices"], rows[1]["SD_tumor"]) == ("no_kidney", 0.3)
