"""Where windows lie on an array. Apart from `inference.sliding_window`, which needs torch: the registry reads this."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from napari_kidney_seg.core.geometry import Shape

Span = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """How windows are laid over an array and put together.

    Attributes
    ----------
    window : (z, y, x) voxels
    overlap : (z, y, x) share of a window that the next one repeats, 0..1
    blending : ``"constant"`` or ``"gaussian"`` weights
    mirrors : axes to flip together, one prediction for each beside the plain one
    batch : int
        Windows predicted at once.
    device : str
        Where the predictions are added up.
    """

    window: Shape
    overlap: tuple[float, float, float] = (0.5, 0.5, 0.5)
    blending: str = "gaussian"
    mirrors: tuple[tuple[int, ...], ...] = ()
    batch: int = 1
    device: str = "cpu"


def window_spans(shape: Shape, plan: WindowPlan) -> list[Span]:
    """Return the windows over an array of `shape`, which is at least a window long on each axis."""
    starts = [_starts(n, w, o) for n, w, o in zip(shape, plan.window, plan.overlap, strict=True)]
    return [_span(corner, plan.window) for corner in product(*starts)]


def _starts(length: int, window: int, overlap: float) -> list[int]:
    step = window if window == length else max(1, int(window * (1 - overlap)))
    count = 1 + max(0, -(-(length - window) // step))
    return [min(index * step, length - window) for index in range(count)]


def _span(corner: tuple[int, ...], window: Shape) -> Span:
    return tuple(slice(a, a + n) for a, n in zip(corner, window, strict=True))  # type: ignore[return-value]
