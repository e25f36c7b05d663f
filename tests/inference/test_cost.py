"""The arithmetic of networks, counted by hand for a network of one convolution."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.inference.cost import TYPICAL_SCAN, expected_seconds, measured_matrix_rate, run_flop, window_flop
from napari_kidney_seg.inference.plan import expected_windows
from napari_kidney_seg.methods import get_method

WINDOW = (8, 16, 16)
FLOP = 2 * 27 * 2 * 8 * 16 * 16  # multiply and add, 27 taps, one channel to two, every voxel


@pytest.fixture
def method():
    """One stage over the whole scan, squeezed to 16 x 16 x 16 voxels: three half-overlapping windows along z."""
    compact = get_method("resunet-2.5d", "compact")
    stage = replace(
        compact.stage("coarse"),
        network=lambda **_: torch.nn.Conv3d(1, 2, 3, padding=1),
        window=WINDOW,
        grid=WorkingGrid(shape=(16, 16, 16)),
        mirrors=((0,),),
    )
    return replace(compact, stages=(stage,), fuses=())


def test_a_convolution_is_counted_as_by_hand(method):
    assert window_flop(method.stages[0]) == FLOP


def test_the_count_agrees_with_that_of_torch():
    from torch.utils.flop_counter import FlopCounterMode

    for name in ("masses-net", "bisc-unet", "boundary-aware"):
        for stage in get_method(name, "smoke").stages:
            network = stage.network(**stage.network_args).eval()
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                network(torch.zeros(1, 1, *stage.window_for(stage.window)))

            assert window_flop(stage) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_a_run_counts_every_window_and_its_mirror(method):
    assert expected_windows(method.stages[0], TYPICAL_SCAN) == 3
    assert run_flop(method) == 2 * 3 * FLOP


def test_the_guess_is_half_of_the_rate_of_matrix_products():
    assert expected_seconds(6.0 * FLOP, 4.0 * FLOP) == pytest.approx(3.0)


def test_a_network_whose_work_depends_on_what_it_sees_is_run_for_it():
    detector = get_method("rcnn-vnet", "smoke").stages[0]

    assert window_flop(detector) > 1e6


def test_the_rate_of_this_machine_is_that_of_a_computer():
    assert 1e8 < measured_matrix_rate() < 1e15
