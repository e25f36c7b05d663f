"""The last run of each method is remembered, and a damaged memory is no obstacle."""

from __future__ import annotations

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.widgets.run_times import RunTime, last_time, remember

COMPACT, PAPER = get_method("resunet-2.5d", "compact"), get_method("resunet-2.5d", "paper")
TIME = RunTime(seconds=31.5, engine="openvino", device="cpu", shape=(99, 512, 512))


def test_each_method_and_preset_has_its_own_last_run(run_times):
    remember(COMPACT, RunTime(seconds=50.0, engine="torch", device="cpu", shape=(1, 2, 3)))
    remember(COMPACT, TIME)

    assert last_time(COMPACT) == TIME
    assert last_time(PAPER) is None


def test_a_damaged_memory_counts_as_none(run_times):
    remember(COMPACT, TIME)
    for text in ("no json", "[1]", '{"resunet-2.5d/compact": {"seconds": 1}}'):
        (run_times / "run_times.json").write_text(text)

        assert last_time(COMPACT) is None

    remember(COMPACT, TIME)
    assert last_time(COMPACT) == TIME


def test_what_cannot_be_written_is_not_remembered_and_no_error(run_times):
    run_times.mkdir(parents=True)
    (run_times / "run_times.json").mkdir()

    remember(COMPACT, TIME)

    assert last_time(COMPACT) is None
