"""Choosing and building the engine for a network."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from napari_kidney_seg.core.device import choose_engine
from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.inference.engines.engine import Engine, NetworkSpec
from napari_kidney_seg.inference.engines.torch_engine import TorchEngine
from napari_kidney_seg.inference.options import RunOptions

logger = logging.getLogger(__name__)


def build_engine(spec: NetworkSpec, options: RunOptions, device: str) -> tuple[Engine, Notice | None]:
    """Return the engine that runs `spec` on `device`, and a notice when it is not the one that was hoped for.

    Raises
    ------
    KidneySegError
        When OpenVINO was asked for by name and cannot run the network.
    """
    if choose_engine(options.engine, device) == "torch":
        return TorchEngine(spec, device, options.precision), None
    try:
        return _openvino(spec, options), None
    except RuntimeError as error:  # what OpenVINO raises for an operation it does not know
        if options.engine == "openvino":
            raise KidneySegError(
                f"OpenVINO cannot run the network of stage {spec.stage.name!r}: {error}. Choose the engine 'torch'."
            ) from error
        logger.info("OpenVINO cannot run stage %s: %s", spec.stage.name, error)
    text = f"OpenVINO cannot run the network of stage {spec.stage.name!r}; torch runs it, more slowly."
    return TorchEngine(spec, device, options.precision), Notice(code="engine_fallback", text=text, level="info")


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Let torch use `threads` CPU threads inside the block; None changes nothing."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _openvino(spec: NetworkSpec, options: RunOptions) -> Engine:
    from napari_kidney_seg.inference.engines.openvino_engine import OpenVinoEngine  # an optional dependency

    return OpenVinoEngine(spec, options.precision, options.threads)
