"""From windows to probabilities: what is no number is predicted again in single precision."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.inference.engines.engine import Engine, NetworkSpec
from napari_kidney_seg.inference.engines.torch_engine import TorchEngine


class Predictor:
    """The probabilities of a network.

    Half precision can overflow. A window with a voxel that is no number would become background, or kidney, without a
    word: it is predicted again by torch in float32.

    Parameters
    ----------
    network : NetworkSpec
    engine : Engine
        Runs `network`.
    torch_device : str
        Where torch computes, the second time.

    Attributes
    ----------
    device : str
        Where the probabilities lie.
    """

    def __init__(self, network: NetworkSpec, engine: Engine, torch_device: str) -> None:
        self.device = engine.device
        self._network, self._engine, self._torch_device = network, engine, torch_device
        self._repeated = 0

    def __call__(self, windows: Tensor) -> Tensor:
        """Return probabilities (B, C, z, y, x) for `windows` (B, I, z, y, x).

        Raises
        ------
        KidneySegError
            When they are no numbers in float32 either.
        """
        probabilities = self._by(self._engine, windows)
        if _is_finite(probabilities):
            return probabilities
        self._repeated += 1
        probabilities = self._by(self._exact, windows).to(self.device)
        if not _is_finite(probabilities):
            raise KidneySegError(
                f"The network of stage {self._network.stage.name!r} answered values that are no numbers, in float32 "
                "too; needed probabilities. Its weights are broken: choose another model, or train it again."
            )
        return probabilities

    def notice(self) -> Notice | None:
        """Return what a person should know of windows that were predicted twice; None when there were none."""
        if not self._repeated:
            return None
        text = (
            f"The numbers of stage {self._network.stage.name!r} overflowed {self._repeated} times and were computed "
            "again in float32. If the run is slow, choose the precision 'float32'."
        )
        return Notice(code="repeated_in_float32", text=text, level="info")

    @cached_property
    def _exact(self) -> Engine:
        return TorchEngine(self._network, self._torch_device, "float32")

    def _by(self, engine: Engine, windows: Tensor) -> Tensor:
        scores = engine.logits(windows)
        return scores.softmax(dim=1) if self._network.stage.activation == "softmax" else scores.sigmoid()


def _is_finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
