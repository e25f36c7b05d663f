import threading
import time

import pytest
import torch

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.inference.background import MOST_THREADS, Background, OneThread, ahead, in_background

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


def test_work_goes_on_before_anybody_waits_for_it():
    done = threading.Event()
    work = Background(done.set)

    assert done.wait(10)
    assert result_of(work.awaited(None)) is None


def test_one_thread_does_all_its_work_and_it_is_another():
    with OneThread() as thread:
        first, second = (result_of(thread.awaited(threading.get_ident, None)) for _ in range(2))

    assert first == second != threading.get_ident()


@pytest.fixture(params=[1, 2, 4, 16])
def threads(request, monkeypatch) -> int:
    """The threads that `ahead` has where torch may use as many as the parameter."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)
    return min(request.param, MOST_THREADS)


class TestAhead:
    def test_results_come_in_the_order_of_the_items(self, threads):
        def late(number):
            time.sleep(0.01 * (3 - number % 3))
            return number**2

        assert list(ahead(late, range(10))) == [number**2 for number in range(10)]

    def test_no_more_is_begun_than_threads_are_there(self, threads):
        begun = []
        results = ahead(begun.append, range(1000))
        next(results)
        deadline = time.perf_counter() + 10
        while len(begun) <= threads and time.perf_counter() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)  # in which any more would begin

        assert len(begun) == threads + 1

    def test_as_many_items_are_worked_on_at_once_as_there_are_threads(self, threads):
        together = threading.Barrier(threads)

        assert list(ahead(lambda _: together.wait(10) >= 0, range(threads))) == [True] * threads

    def test_an_error_comes_where_its_item_would(self, threads):
        results = ahead(lambda number: 1 / (2 - number), range(5))

        assert [next(results), next(results)] == [0.5, 1.0]
        with pytest.raises(ZeroDivisionError):
            next(results)


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
