import threading
import time

import pytest

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.inference.background import in_background

AT_ONCE = 1.5  # seconds within which cancelling must act


def test_the_result_of_the_work_is_returned():
    assert result_of(in_background(lambda: 6 * 7, None)) == 42


def test_the_step_is_yielded_while_the_work_goes_on():
    goes_on = threading.Event()
    steps = in_background(goes_on.wait, "step")

    assert [next(steps), next(steps)] == ["step", "step"]
    goes_on.set()
    assert result_of(steps) is True


def test_an_error_of_the_work_is_raised():
    def broken():
        raise ValueError("no such operation")

    with pytest.raises(ValueError, match="no such operation"):
        result_of(in_background(broken, None))


@pytest.mark.alone
def test_closing_does_not_wait_for_the_work_which_comes_to_its_end_by_itself():
    goes_on, ended = threading.Event(), threading.Event()

    def slow():
        goes_on.wait(10 * AT_ONCE)
        ended.set()

    steps = in_background(slow, None)
    next(steps)
    started = time.perf_counter()
    steps.close()

    assert time.perf_counter() - started < AT_ONCE
    assert not ended.is_set()
    goes_on.set()
    assert ended.wait(10)
