"""Test-time augmentation: the mean over a prediction and its mirrored ones."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Predict = Callable[[Tensor], Tensor]


def mirrored(predict: Predict, mirrors: tuple[tuple[int, ...], ...]) -> Predict:
    """Return `predict` averaged over the plain windows and each mirroring of them.

    Parameters
    ----------
    predict : windows (B, 1, Z, Y, X) -> probabilities (B, C, Z, Y, X)
        Probabilities, not scores: means of scores would let one confident prediction outvote the others.
    mirrors : tuples of axes flipped together
        0 z, 1 y, 2 x; one more prediction for each tuple.
    """

    def mean_over_mirrors(windows: Tensor) -> Tensor:
        total = predict(windows)
        for axes in mirrors:
            dims = [axis + 2 for axis in axes]
            total = total + predict(windows.flip(dims)).flip(dims)
        return total / (1 + len(mirrors))

    return mean_over_mirrors
