"""What a network sees beside the CT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.found import is_known


@dataclass(frozen=True, kw_only=True)
class Guide:
    """The organ that an earlier stage found, seen by a network beside the CT.

    Attributes
    ----------
    source : str
        Name of the stage (background, organ) whose probability of organ is a channel of the input.
    target : callable (labels) -> 0 or 1
        What stands in for that probability in training, from label ids (Z, Y, X): what the stage found in the case
        where that is known (`core.found`), else the organ of the reference.
    errors : callable (labels, rng) -> labels, or None
        What that stage overlooks, taken from the labels of a window, also of one for validation, before `target` sees
        them; only where it is not known.
    """

    source: str
    target: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    errors: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]] | None = None

    def drawn(self, labels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the channel of a training window with `labels` (Z, Y, X)."""
        seen = labels if self.errors is None or is_known(labels) else self.errors(labels, rng)
        return self.target(seen).astype(np.float32)
