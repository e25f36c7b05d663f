"""Test-time augmentation: the mean over a prediction and its mirrored ones."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

from torch import Tensor

from napari_kidney_seg.inference.background import OneThread

Predict = Callable[[Tensor], Tensor]
Mirrors = tuple[tuple[int, ...], ...]


def mean_over_mirrors(
    windows: Tensor, predict: Predict, mirrors: Mirrors, thread: OneThread
) -> Generator[int, None, Tensor]:
    """Return what `predict` says of `windows`, averaged with what it says of each mirroring of them.

    Yields 0, the windows done, between predictions and every little while during them, so that a run can be cancelled
    there: each may take seconds. One that is cancelled comes to its end in its thread, and is dropped.

    Parameters
    ----------
    windows : shape (B, I, Z, Y, X)
    predict : windows -> probabilities (B, C, Z, Y, X)
        Probabilities, not scores: means of scores would let one confident prediction outvote the others.
    mirrors : tuples of axes flipped together
        0 z, 1 y, 2 x; one more prediction for each tuple.
    thread : OneThread
        That predicts.
    """
    total = yield from thread.awaited(partial(predict, windows), 0)
    for axes in mirrors:
        yield 0
        dims = [axis + 2 for axis in axes]
        mirrored = yield from thread.awaited(partial(predict, windows.flip(dims)), 0)
        total = total + mirrored.flip(dims)
    return total / (1 + len(mirrors))
