from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels

from napari_kidney_seg.widgets.case_memory import latest_run, remember_run


def run_of(minute: int) -> SimpleNamespace:
    return SimpleNamespace(finished=datetime(2026, 11, 27, 12, minute, tzinfo=UTC))


@pytest.fixture
def layers():
    return [Labels(np.zeros((2, 2, 2), np.uint8)) for _ in range(3)]


def test_of_the_runs_that_filled_layers_the_last_one_counts_in_whatever_order(layers):
    earlier, later = run_of(1), run_of(2)
    remember_run(layers[:2], later)
    remember_run(layers[2:], earlier)

    assert latest_run(layers) is latest_run(layers[::-1]) is later
    assert latest_run(layers[2:]) is earlier


def test_a_run_that_fills_a_layer_again_takes_the_place_of_the_one_before(layers):
    remember_run(layers, run_of(2))
    again = run_of(3)
    remember_run(layers[:1], again)

    assert latest_run(layers[:1]) is again


def test_of_layers_that_no_run_filled_none_is_known(layers):
    assert latest_run(layers) is None
    assert latest_run([]) is None
