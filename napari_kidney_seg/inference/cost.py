"""What a run costs before it is run: arithmetic of the networks on a typical scan, and a guess of the seconds."""

from __future__ import annotations

import time

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.method import Method, Stage
from napari_kidney_seg.inference.plan import expected_windows

TYPICAL_SCAN = Geometry.from_spacing((104, 512, 512), (3.0, 0.78, 0.78))  # like the median of KiTS23
MATRIX = 1024
REACHED = 0.5  # of a matrix product's rate; what the networks reached on the CPUs tried


def run_flop(method: Method) -> float:
    """Return the arithmetic of all networks of `method` on a typical scan, FLOP."""
    return sum(
        window_flop(stage) * expected_windows(stage, TYPICAL_SCAN) * (1 + len(stage.mirrors)) for stage in method.stages
    )


def window_flop(stage: Stage) -> float:
    """Return the arithmetic of the network of `stage` for one window, FLOP."""
    try:
        return _counted(stage, "meta")  # shapes alone: quick at any size
    except NotImplementedError:  # a detector's work depends on what it sees
        return _counted(stage, "cpu")


def expected_seconds(flop: float, matrix_rate: float) -> float:
    """Return a rough guess of the seconds for `flop` on a CPU whose matrix products run at `matrix_rate` FLOP/s."""
    return flop / (REACHED * matrix_rate)


def measured_matrix_rate(size: int = MATRIX) -> float:
    """Return the float32 rate of products of two `size` x `size` matrices on this machine's CPU, FLOP/s."""
    import torch

    first, second = torch.randn(size, size), torch.randn(size, size)
    torch.mm(first, second)
    started = time.perf_counter()
    for _ in range(4):
        torch.mm(first, second)
    return 4 * 2 * size**3 / (time.perf_counter() - started)


def _counted(stage: Stage, device: str) -> float:
    """Return the multiply-adds, times two, of every convolution and linear layer as it is called."""
    import torch
    from torch import nn

    network = stage.network(**stage.network_args).eval().to(device)
    counts: list[float] = []

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weight: torch.Tensor = layer.weight  # type: ignore[assignment]
        is_transposed = isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d)
        places = (inputs[0] if is_transposed else output).numel() // weight.shape[0]
        counts.append(2.0 * places * weight.numel())

    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, stage.channels, *stage.window_for(stage.window), device=device))
    return sum(counts)
