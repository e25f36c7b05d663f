"""torch on CUDA (autocast), MPS or a CPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from napari_kidney_seg.core.device import computes_bfloat16
from napari_kidney_seg.inference.engines.engine import Engine, NetworkSpec, first_output


class TorchEngine(Engine):
    """Runs a network with torch.

    Parameters
    ----------
    spec : NetworkSpec
    device : torch device, e.g. ``"cuda:1"``
    precision : ``"auto"``, ``"float32"`` or ``"bfloat16"``
        ``"auto"`` is autocast on CUDA (bfloat16 where the card computes it, else float16) and float32 elsewhere.
    """

    name = "torch"

    def __init__(self, spec: NetworkSpec, device: str = "cpu", precision: str = "auto") -> None:
        self.device = device
        self._dtype = autocast_dtype(device, precision)
        self.precision = str(self._dtype or torch.float32).removeprefix("torch.")
        self._module = spec.module().to(device)

    @torch.inference_mode()
    def logits(self, windows: Tensor) -> Tensor:
        """Return the scores (B, C, Z, Y, X) for `windows` (B, I, Z, Y, X) from main memory, on the engine's device."""
        with self._autocast():
            scores: Tensor = first_output(self._module(windows.to(self.device)))
        return scores.float()

    def _autocast(self) -> AbstractContextManager[object]:
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=self._dtype)


def autocast_dtype(device: str, precision: str) -> torch.dtype | None:
    """Return what a network computes with on `device`; None is float32."""
    if precision == "float32" or (precision == "auto" and not device.startswith("cuda")):
        return None
    if device.startswith("cuda") and not computes_bfloat16(device):
        return torch.float16
    return torch.bfloat16
