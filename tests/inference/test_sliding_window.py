import time
from threading import Event

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference

from napari_kidney_seg.core.events import Notice, result_of
from napari_kidney_seg.imaging.cropping import crop_pad, padded_to
from napari_kidney_seg.inference.background import OneThread
from napari_kidney_seg.inference.mirroring import mean_over_mirrors
from napari_kidney_seg.inference.sliding_window import is_out_of_memory, stitch, window_weights
from napari_kidney_seg.inference.windows import WindowPlan
from tests.inference.fakes import finished


@pytest.fixture
def thread():
    with OneThread() as one:
        yield one


def position_dependent(windows):
    """Two channels that depend on where in the window a voxel lies, so that weights and positions both show."""
    ramp = torch.linspace(0, 1, windows.shape[-1]) + torch.linspace(0, 3, windows.shape[-3])[:, None, None]
    return torch.cat([windows * ramp, windows + ramp], dim=1)


# MONAI's gaussian weights also fall off along axes on which windows do not overlap; ours do not.
SLIDING, STILL = [(21, 30, 17), (17, 41, 40)], [(8, 12, 16), (5, 30, 9), (3, 4, 5)]


@pytest.mark.parametrize("overlap", [(0.5, 0.5, 0.5), (0.25, 0.0, 0.6)])
@pytest.mark.parametrize(
    ("shape", "blending"), [*((shape, "constant") for shape in SLIDING + STILL), *((s, "gaussian") for s in SLIDING)]
)
def test_stitched_windows_equal_those_of_monai(shape, overlap, blending, thread):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    window = (8, 12, 16)
    plan = WindowPlan(window=window, overlap=overlap, blending=blending, batch=3)

    padded = padded_to(shape, window)
    _, stitched = finished(stitch(crop_pad(image[None], padded, -1.0), position_dependent, plan, thread))
    start = [-first for first in padded.start]
    ours = stitched[(..., *(slice(a, a + n) for a, n in zip(start, shape, strict=True)))]

    theirs = sliding_window_inference(
        torch.from_numpy(image)[None, None], window, 2, position_dependent, overlap, blending, cval=-1.0
    )[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_gaussian_weights_fall_off_only_along_axes_on_which_windows_overlap():
    weights = window_weights((24, 4, 4), WindowPlan(window=(8, 4, 4)))

    assert (weights == weights[:, :1, :1]).all()
    assert weights[0, 0, 0] < weights[3, 0, 0]


def test_every_batch_is_reported_with_its_windows(thread):
    plan = WindowPlan(window=(4, 4, 4), batch=2)

    steps, _ = finished(stitch(np.zeros((1, 8, 4, 4), np.float32), lambda windows: windows, plan, thread))

    assert steps == [2, 1]


def test_failed_batch_is_repeated_with_half_as_many_windows(thread):
    sizes = []

    def hungry(windows):
        sizes.append(len(windows))
        if len(windows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return windows

    image = np.random.default_rng(0).normal(size=(12, 4, 4)).astype(np.float32)
    steps, result = finished(stitch(image[None], hungry, WindowPlan(window=(4, 4, 4), batch=4), thread))

    assert sizes == [4, 2, 1, 1, 1, 1, 1]
    assert [step.code for step in steps if isinstance(step, Notice)] == ["smaller_batch", "smaller_batch"]
    np.testing.assert_allclose(result[0], image, atol=1e-6)


def test_sums_move_to_main_memory_when_the_device_is_full(thread):
    # The device "meta" stands for a card: what lies there cannot be read, so the test fails unless the sums move.
    failures = iter([True, False, False, False, False])

    def hungry(windows):
        if next(failures):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return windows

    image = np.random.default_rng(0).normal(size=(12, 4, 4)).astype(np.float32)
    steps, result = finished(
        stitch(image[None], hungry, WindowPlan(window=(4, 4, 4), overlap=(0, 0, 0), device="meta"), thread)
    )

    assert [step.code for step in steps if isinstance(step, Notice)] == ["host_stitching"]
    np.testing.assert_allclose(result[0], image, atol=1e-6)


def test_other_errors_of_a_network_are_not_taken_for_lack_of_memory(thread):
    def broken(windows):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        finished(stitch(np.zeros((1, 4, 4, 4), np.float32), broken, WindowPlan(window=(4, 4, 4), batch=2), thread))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_lack_of_memory_is_recognized_by_type_or_words(error, expected):
    assert is_out_of_memory(error) is expected


class TestMirroring:
    def test_each_mirrored_prediction_counts_like_the_plain_one(self, thread):
        image = torch.arange(8.0).reshape(1, 1, 2, 2, 2)
        weights = torch.arange(8.0).reshape(1, 1, 2, 2, 2)

        result = result_of(mean_over_mirrors(image, lambda windows: windows * weights, ((0,), (1, 2)), thread))

        flipped_weights = [weights, weights.flip(2), weights.flip(3, 4)]
        torch.testing.assert_close(result, image * sum(flipped_weights) / 3)

    def test_without_mirrors_the_prediction_is_the_plain_one(self, thread):
        image = torch.arange(8.0).reshape(1, 1, 2, 2, 2)

        steps, result = finished(mean_over_mirrors(image, lambda windows: windows * 2, (), thread))

        assert steps == []
        torch.testing.assert_close(result, image * 2)

    def test_a_run_can_be_ended_after_each_prediction(self, thread):
        seen = []
        plan = WindowPlan(window=(4, 4, 4), mirrors=((0,), (1,)))
        run = stitch(np.zeros((1, 8, 4, 4), np.float32), lambda windows: seen.append(0) or windows, plan, thread)

        steps = []
        for step in run:
            steps.append((step, len(seen)))
            if len(seen) == 5:
                run.close()

        assert steps == [(0, 1), (0, 2), (1, 3), (0, 4), (0, 5)]

    def test_a_run_ends_at_once_during_a_prediction(self):
        is_released = Event()
        with OneThread() as thread:
            image, plan = np.zeros((1, 4, 4, 4), np.float32), WindowPlan(window=(4, 4, 4))
            run = stitch(image, lambda windows: is_released.wait(60) and windows, plan, thread)
            assert next(run) == 0  # the prediction goes on
            started = time.perf_counter()
            run.close()
        seconds = time.perf_counter() - started
        is_released.set()

        assert seconds < 1.5

    def test_memory_that_runs_out_in_a_mirrored_prediction_repeats_the_window_once(self, thread):
        calls = iter(range(100))

        def hungry(windows):
            if next(calls) == 1:  # the first mirrored prediction
                raise torch.OutOfMemoryError("CUDA out of memory")
            return windows

        image = np.random.default_rng(0).normal(size=(8, 4, 4)).astype(np.float32)
        _, result = finished(
            stitch(image[None], hungry, WindowPlan(window=(4, 4, 4), batch=2, mirrors=((0,),)), thread)
        )

        np.testing.assert_allclose(result[0], image, atol=1e-6)
