"""What a person can choose about a run, apart from the method itself."""

from __future__ import annotations

from dataclasses import dataclass

from napari_kidney_seg.core.averaging import AS_PRESET, Averaging
from napari_kidney_seg.core.errors import KidneySegError, check_choice

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a cascade is run. None of it changes the method.

    Device, engine and batch do not change the labels beyond Dice 0.99. Half precision can, where a coarse stage is
    unsure of a component: on one real scan of three the kidney's Dice was 0.86 with bfloat16, 0.91 without.

    Attributes
    ----------
    device : ``"auto"``, ``"cpu"``, ``"mps"``, ``"cuda"`` or e.g. ``"cuda:1"``
    engine : ``"auto"``, ``"torch"`` or ``"openvino"``
    precision : ``"auto"``, ``"float32"`` or ``"bfloat16"``
        Of the networks; ``"auto"`` is float32 on a CPU, half precision on CUDA. Everything around them is float32.
    window_batch : int or None
        Windows per call of a network; None takes 1 on a CPU and 4 elsewhere. Halved when memory runs out.
    threads : int or None
        CPU threads; None leaves the choice to the engine.
    averaging : Averaging
        Which predictions of a window are averaged; a run is faster with fewer, and a little worse.
    """

    device: str = "auto"
    engine: str = "auto"
    precision: str = "auto"
    window_batch: int | None = None
    threads: int | None = None
    averaging: Averaging = AS_PRESET

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("window_batch", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise KidneySegError(f"Found {name}={value!r}; needed a number of at least 1, or None. Change it.")
