"""What a training computes with: device, processes and precision, as Lightning Fabric wants them."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric import Fabric

from napari_kidney_seg.core.device import choose_device, computes_bfloat16


def make_fabric(device: str, processes: int, precision: str) -> tuple[Fabric, bool]:
    """Return the launched Fabric of a training, and whether it scales gradients.

    Parameters
    ----------
    device : ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``
    processes : int
        On as many cards, or on one CPU.
    precision : ``"auto"``, ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"``

    Raises
    ------
    KidneySegError
        When this machine does not have the device.
    """
    chosen = choose_device(device)
    if precision == "auto":
        precision = _fastest_precision(chosen)
    kind, _, index = chosen.partition(":")
    wanted: Any = precision
    fabric = Fabric(accelerator=kind, devices=[int(index)] if index else processes, precision=wanted)
    fabric.launch()
    return fabric, precision == "16-mixed"


def _fastest_precision(device: str) -> str:
    if device.startswith("cuda"):
        return "bf16-mixed" if computes_bfloat16(device) else "16-mixed"
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return "bf16-mixed" if has_bf16 else "32-true"
