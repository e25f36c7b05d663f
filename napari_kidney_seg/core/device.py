"""Where a network runs and with which engine; refuses early when memory cannot fit. Imports torch only when asked."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_kidney_seg.core.errors import InsufficientMemoryError, KidneySegError
from napari_kidney_seg.core.geometry import Shape

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
_CARD_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD (ROCm, "cuda" to torch), Linux inside Windows
ENGINES = ("auto", "torch", "openvino")
# Full-size feature maps, each as wide as the first convolution, that a residual U-Net cannot do without while it
# predicts: input and result of a unit, its hidden features, its shortcut, one skip. Engines take up to twice as many.
LIVE_FEATURE_MAPS = 5
BFLOAT16_CAPABILITY = (8, 0)  # of a CUDA card, the first that computes bfloat16


def offered_devices() -> tuple[str, ...]:
    """Return those of `DEVICES` that this machine can have, without the seconds that asking torch takes."""
    if sys.platform == "darwin":
        return tuple(name for name in DEVICES if name != "cuda")
    has_driver = sys.platform != "linux" or any(Path(driver).exists() for driver in _CARD_DRIVERS)
    return tuple(name for name in DEVICES if name != "mps" and (has_driver or name != "cuda"))


def choose_device(wanted: str = "auto") -> str:
    """Return the torch device to run on: ``"cpu"``, ``"mps"``, ``"cuda"`` or ``"cuda:N"``.

    Parameters
    ----------
    wanted : str
        ``"auto"`` takes CUDA, else MPS, else the CPU.

    Raises
    ------
    KidneySegError
        When `wanted` is no device, or this machine does not have it.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", wanted):
        raise KidneySegError(
            f"Found the device {wanted!r}; needed one of {', '.join(DEVICES)} or 'cuda:1'. Choose one of these."
        )
    if wanted == "cpu":
        return wanted
    present = _accelerators()
    if wanted == "auto":
        return present[0] if present else "cpu"
    if wanted not in present:
        raise KidneySegError(
            f"The device {wanted!r} was asked for; this machine has {', '.join([*present, 'cpu'])}. "
            "Choose one of these, or install a torch build and driver that support the device."
        )
    return wanted


def choose_engine(wanted: str = "auto", device: str = "cpu") -> str:
    """Return ``"torch"`` or ``"openvino"``; ``"auto"`` takes OpenVINO on a CPU where it is installed.

    Raises
    ------
    KidneySegError
        When `wanted` is no engine, is not installed, or cannot run on `device`.
    """
    if wanted not in ENGINES:
        raise KidneySegError(f"Found the engine {wanted!r}; needed one of {', '.join(ENGINES)}. Choose one of these.")
    has_openvino = importlib.util.find_spec("openvino") is not None
    if wanted == "auto":
        return "openvino" if device == "cpu" and has_openvino else "torch"
    if wanted == "openvino" and not has_openvino:
        raise KidneySegError(
            "The engine 'openvino' was asked for but is not installed. "
            "Run: pip install 'napari-kidney-seg[openvino]', or choose 'torch'."
        )
    if wanted == "openvino" and device != "cpu":
        raise KidneySegError(
            f"The engine 'openvino' runs on the CPU; found the device {device!r}. Choose 'torch' for it."
        )
    return wanted


def computes_bfloat16(device: str) -> bool:
    """Return whether the CUDA card `device` computes bfloat16 itself; older ones imitate it, slowly."""
    import torch

    return torch.cuda.get_device_capability(torch.device(device)) >= BFLOAT16_CAPABILITY


def free_memory(device: str = "cpu") -> int:
    """Return the memory that can still be taken on `device`, bytes."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return min(_machine_room(), _cgroup_room())


def network_memory(state: Mapping[str, torch.Tensor], window: Shape, *, channels: int = 1, value_bytes: int = 4) -> int:
    """Return what a network needs at least to predict one window, bytes.

    Parameters
    ----------
    state : parameters by name
        The convolution that takes the channels of the input tells the width at full size.
    window : (z, y, x) voxels
    channels : of the input
    value_bytes : int
        Of one feature: 4 for float32, 2 for the half precisions.
    """
    entries = [tensor for tensor in state.values() if tensor.ndim == 5 and tensor.shape[1] == channels]
    width = max((tensor.shape[0] for tensor in entries), default=1)
    features = window[0] * window[1] * window[2] * width * LIVE_FEATURE_MAPS
    return value_bytes * features + 4 * sum(tensor.numel() for tensor in state.values())


def check_memory(needed: int, device: str, doing: str) -> None:
    """Check that `needed` bytes can be taken on `device`, before time is spent.

    Raises
    ------
    InsufficientMemoryError
        When they cannot; `doing` names the work, e.g. ``"stage 'kidney'"``.
    """
    free = free_memory(device)
    if needed > free:
        raise InsufficientMemoryError(
            f"{doing[0].upper()}{doing[1:]} needs at least {needed / 2**30:.1f} GiB; "
            f"{device!r} has {free / 2**30:.1f} GiB free. "
            "Close other programs, choose the preset 'compact', or run on a device with more memory."
        )


def _accelerators() -> list[str]:
    """Return the accelerators of this machine, the preferred first; ``"cuda"`` also stands for ``"cuda:0"``."""
    import torch

    if torch.cuda.is_available():
        return ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return ["mps"] if torch.backends.mps.is_available() else []


def _machine_room() -> int:
    """Return the memory that the machine has left, bytes."""
    try:
        import psutil  # comes with napari; a GPU server may lack it
    except ImportError:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(psutil.virtual_memory().available)


def _cgroup_room() -> int:
    """Return what the control group of a container or cluster job leaves, bytes; very much where there is none."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit == "max":
            return 2**62
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(limit) - int(used) + int(stat.get("inactive_file", 0))  # cached files give way
    except OSError:
        return 2**62
