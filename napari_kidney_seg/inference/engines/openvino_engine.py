"""OpenVINO on a CPU. Imported only where the extra `openvino` is installed."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from functools import lru_cache, partial
from threading import Lock
from typing import Any

import openvino as ov
import torch
from torch import Tensor, nn

from napari_kidney_seg.core.geometry import Shape
from napari_kidney_seg.inference.engines.converted_models import kept_model
from napari_kidney_seg.inference.engines.engine import Engine, NetworkSpec, first_output

logger = logging.getLogger(__name__)
COMPILED_MODELS = 8  # kept in memory, so that a second run of a cascade starts at once
TRACED_SIZE = 32  # voxels per axis of the example that is traced; a whole window would take many times as long
_HINTS = {"auto": "f32", "float32": "f32", "bfloat16": "bf16"}
_compiled: dict[tuple[object, ...], Any] = {}
_compiling = Lock()


class OpenVinoEngine(Engine):
    """Runs a network with OpenVINO, one window at a time.

    Parameters
    ----------
    spec : NetworkSpec
    precision : ``"auto"``, ``"float32"`` or ``"bfloat16"``
        ``"auto"`` is float32, so that every CPU gives the same mask; bfloat16 is a third faster on one that has it.
    threads : int or None
        None leaves the choice to OpenVINO.

    Notes
    -----
    A model is compiled for windows of one fixed shape: with a dynamic one it is compiled anew at each change, or runs
    slower. Windows of another shape than the first get a model of their own. Compiling cannot be interrupted; a run
    does it in the background, and one that starts after a cancelled one takes up what that had begun. The conversion
    from torch, which takes longest, is kept on disk.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, spec: NetworkSpec, precision: str = "auto", threads: int | None = None) -> None:
        self._compiled = partial(_compiled_model, hint=_HINTS[precision], threads=threads)
        self._spec = spec
        self.precision = "bfloat16" if precision == "bfloat16" else "float32"
        self._requests = {spec.window: self._compiled(spec).create_infer_request()}

    def logits(self, windows: Tensor) -> Tensor:
        """Return the scores (B, C, Z, Y, X) for `windows` (B, I, Z, Y, X), in main memory."""
        return torch.cat([self._one(window[None]) for window in windows])

    def make_ready(self, window: Shape) -> None:
        """Compile the model for windows of this shape."""
        self._request_for(window)

    def _one(self, window: Tensor) -> Tensor:
        request = self._request_for(tuple(window.shape[2:]))  # type: ignore[arg-type]
        request.infer([window.contiguous().numpy()], share_inputs=True)
        return torch.from_numpy(request.get_output_tensor(0).data.copy())

    def _request_for(self, window: Shape) -> Any:
        if window not in self._requests:
            self._requests[window] = self._compiled(replace(self._spec, size=window)).create_infer_request()
        return self._requests[window]


def forget_compiled() -> None:
    """Drop the compiled models from memory, as in a new process."""
    with _compiling:
        _compiled.clear()


class _MainOutput(nn.Module):
    """A network reduced to its main output: only that is converted."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor) -> Tensor:
        """Return the scores (B, C, Z, Y, X)."""
        scores: Tensor = first_output(self.network(windows))
        return scores


def _compiled_model(spec: NetworkSpec, hint: str, threads: int | None) -> Any:
    if not spec.key:
        return _compile(spec, hint, threads)
    key = (spec.key, spec.window, hint, threads)
    with _compiling:
        if key not in _compiled:
            _compiled[key] = _compile(spec, hint, threads)
            while len(_compiled) > COMPILED_MODELS:
                del _compiled[next(iter(_compiled))]
        return _compiled[key]


def _compile(spec: NetworkSpec, hint: str, threads: int | None) -> Any:
    logger.debug("compiling %s for windows of %s, %s", spec.key or "a network", spec.window, hint)
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    return _core().compile_model(kept_model(spec, _core(), partial(_converted, spec)), "CPU", config)


def _converted(spec: NetworkSpec) -> ov.Model:
    channels, window = spec.stage.channels, spec.window
    example = torch.zeros((1, channels, *(min(n, TRACED_SIZE) for n in window)))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # OpenVINO traces with torch.jit, which torch calls deprecated
        # Left to trace by itself, OpenVINO has torch check the trace: two more runs and imports of many seconds.
        traced = torch.jit.trace(_MainOutput(spec.module()), example, check_trace=False)  # type: ignore[no-untyped-call]
        return ov.convert_model(traced, example_input=example, input=[[1, channels, *window]])


@lru_cache(maxsize=1)
def _core() -> ov.Core:
    return ov.Core()
