"""Work that other threads do while a run goes on: what cannot be interrupted, and what comes in many parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

POLL_SECONDS = 0.2
MOST_THREADS = 4  # of `ahead`: each holds a part in memory

Item = TypeVar("Item")
Step = TypeVar("Step")
Result = TypeVar("Result")


class Background(Generic[Result]):
    """Work in a thread of its own, begun at once.

    Parameters
    ----------
    work : callable () -> result
    """

    def __init__(self, work: Callable[[], Result]) -> None:
        pool = ThreadPoolExecutor(max_workers=1)
        self._result = pool.submit(work)
        pool.shutdown(wait=False)

    def awaited(self, step: Step) -> Generator[Step, None, Result]:
        """Yield `step` every little while until the work is done, return its result.

        Closing the generator does not wait: the thread comes to its end by itself, and its result is dropped. Only the
        end of the process waits for it.
        """
        return (yield from _awaited(self._result, step))


class OneThread:
    """A thread that does one piece of work after another: oneDNN and OpenMP make much anew in every thread.

    Leaving the block does not wait for the work that goes on; what has not begun is dropped.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> OneThread:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def awaited(self, work: Callable[[], Result], step: Step) -> Generator[Step, None, Result]:
        """Yield `step` every little while until `work` is done, return its result."""
        return (yield from _awaited(self._pool.submit(work), step))


def _awaited(result: Future[Result], step: Step) -> Generator[Step, None, Result]:
    while not wait([result], timeout=POLL_SECONDS).done:
        yield step
    return result.result()


def in_background(work: Callable[[], Result], step: Step) -> Generator[Step, None, Result]:
    """Do `work` in a thread of its own; yield `step` every little while, return what `work` returns."""
    return (yield from Background(work).awaited(step))


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``work(item)`` of each item in order, done by as many threads as torch may use here, but few.

    At most as many items are ahead. Closing the iterator drops what has not begun and does not wait for the rest.
    """
    import torch

    threads = min(MOST_THREADS, torch.get_num_threads())
    pool = ThreadPoolExecutor(max_workers=threads)
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
