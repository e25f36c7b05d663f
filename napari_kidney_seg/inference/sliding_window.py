"""Predictions over overlapping windows, stitched to one array.

Window positions and weights equal those of ``monai.inferers.sliding_window_inference`` (a test compares the results).
It is written as a generator so that a run can be followed, and cancelled even during a prediction, and so that it can
give way, step by step, when memory runs out. Importing MONAI for it would also cost five seconds at the first run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_kidney_seg.core.errors import InsufficientMemoryError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.geometry import Shape
from napari_kidney_seg.inference.background import OneThread
from napari_kidney_seg.inference.mirroring import Predict, mean_over_mirrors
from napari_kidney_seg.inference.windows import Span, WindowPlan, window_spans

SIGMA_SCALE = 0.125  # standard deviation of gaussian weights, in window lengths; as in MONAI
SMALLEST_WEIGHT = 1e-3
PredictMean = Callable[[Tensor], Generator[int, None, Tensor]]
_OUT_OF_MEMORY_WORDS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "could not allocate",
)


def window_weights(shape: Shape, plan: WindowPlan) -> Tensor:
    """Return the weight of each voxel of a window over an array of `shape`, shape (z, y, x).

    Gaussian weights fall off only along axes on which windows overlap: along the others they would cancel, but for the
    smallest weight, which would flatten the blending near the edges of those axes.
    """
    if plan.blending == "constant":
        return torch.ones(plan.window)
    z, y, x = (_bell(w) if n > w else torch.ones(w) for n, w in zip(shape, plan.window, strict=True))
    weights = z[:, None, None] * y[:, None] * x
    return weights.clamp(min=max(float(weights.min()), SMALLEST_WEIGHT))


def stitch(
    image: NDArray[np.float32], predict: Predict, plan: WindowPlan, thread: OneThread
) -> Generator[int | Notice, None, NDArray[np.float32]]:
    """Predict `image` window by window; yield after each prediction and during long ones, return the weighted mean.

    Parameters
    ----------
    image : shape (I, Z, Y, X), at least a window long on each spatial axis
    predict : windows (B, I, z, y, x) -> probabilities (B, C, z, y, x)
    plan : WindowPlan
    thread : OneThread
        That predicts.

    Yields
    ------
    int or Notice
        Windows done since the last step, 0 where predictions of them are still to come; or a notice that the run goes
        on with less memory.

    Returns
    -------
    float32 probabilities, shape (C, Z, Y, X)

    Raises
    ------
    InsufficientMemoryError
        When one window at a time, stitched in main memory, is still too much.
    """
    source, shape = torch.from_numpy(image), image.shape[1:]
    spans = window_spans(shape, plan)
    canvas, batch, done = _Canvas(shape, plan), plan.batch, 0
    predict_mean = partial(mean_over_mirrors, predict=predict, mirrors=plan.mirrors, thread=thread)
    while done < len(spans):
        chunk = spans[done : done + batch]
        failure = yield from _try_chunk(source, chunk, predict_mean, canvas)
        if failure is None:
            done += len(chunk)
            yield len(chunk)
        else:
            batch, notice = _with_less_memory(failure, batch, canvas)
            yield notice
    return canvas.mean()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` is how torch, OpenVINO or Python say that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


class _Canvas:
    """Weighted sums of predictions, and of their weights."""

    def __init__(self, shape: Shape, plan: WindowPlan) -> None:
        self.device = torch.device(plan.device)
        self._shape = shape
        self._window_weights = window_weights(self._shape, plan)
        self._total: Tensor | None = None
        self._weight = torch.zeros(self._shape)

    def add(self, spans: list[Span], probabilities: Tensor) -> None:
        """Add `probabilities` (B, C, z, y, x), one for each of `spans`."""
        # All that can run out of memory comes before the sums change, so that a failed call can be repeated.
        weights = self._window_weights.to(probabilities.device)
        weighted = (probabilities.float() * weights).to(self.device)
        total = self._sums(weighted.shape[1])
        for span, window in zip(spans, weighted, strict=True):
            total[(slice(None), *span)] += window
            self._weight[span] += self._window_weights

    def to_host(self) -> None:
        """Go on adding in main memory."""
        self.device = torch.device("cpu")
        self._total = None if self._total is None else self._total.cpu()

    def mean(self) -> NDArray[np.float32]:
        """Return the weighted mean, shape (C, Z, Y, X)."""
        total = self._sums(1).cpu()
        result: NDArray[np.float32] = total.div_(self._weight).numpy()
        return result

    def _sums(self, channels: int) -> Tensor:
        if self._total is None:
            self._total = torch.zeros((channels, *self._shape), device=self.device)
        return self._total


def _try_chunk(
    source: Tensor, spans: list[Span], predict: PredictMean, canvas: _Canvas
) -> Generator[int, None, Exception | None]:
    """Predict and add the windows of `spans`; return the error when memory ran out."""
    try:
        probabilities = yield from predict(torch.stack([source[(slice(None), *span)] for span in spans]))
        canvas.add(spans, probabilities)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        # Without its traceback the error no longer holds on to the tensors of the failed call.
        return error.with_traceback(None)
    return None


def _with_less_memory(error: Exception, batch: int, canvas: _Canvas) -> tuple[int, Notice]:
    """Return a smaller batch, or else move the sums to main memory; say so."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if batch > 1:
        text = f"Memory ran out with {batch} windows at a time. The run goes on with {batch // 2}, more slowly."
        return batch // 2, Notice(code="smaller_batch", text=text, level="info")
    if canvas.device.type != "cpu":
        canvas.to_host()
        text = "Memory of the graphics card ran out. The run goes on with the result kept in main memory, more slowly."
        return batch, Notice(code="host_stitching", text=text, level="info")
    raise InsufficientMemoryError(
        f"Memory ran out with a single window ({error}). Close other programs, choose the preset 'compact' or the "
        "device 'cpu', or run on a machine with more memory."
    ) from error


def _bell(length: int) -> Tensor:
    offset = torch.arange(length, dtype=torch.float32) - (length - 1) / 2
    return torch.exp(-(offset**2) / (2 * (SIGMA_SCALE * length) ** 2))
