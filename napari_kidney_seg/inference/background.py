"""Work that cannot be interrupted, done where a run does not have to wait for its end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

POLL_SECONDS = 0.2

Step = TypeVar("Step")
Result = TypeVar("Result")


def in_background(work: Callable[[], Result], step: Step) -> Generator[Step, None, Result]:
    """Do `work` in a thread of its own; yield `step` every little while, return what `work` returns.

    Closing the generator does not wait: the thread comes to its end by itself, and its result is dropped. Only the end
    of the process waits for it.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        result = pool.submit(work)
        while not wait([result], timeout=POLL_SECONDS).done:
            yield step
        return result.result()
    finally:
        pool.shutdown(wait=False)
