"""What every engine offers: the scores of a network for a batch of windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.geometry import Shape
from napari_kidney_seg.core.method import Stage


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkSpec:
    """A network to be run, for any engine.

    Attributes
    ----------
    stage : Stage
        Builds the network and says its window.
    state : parameters by name
    key : str
        Names these weights: equal keys, equal networks. Empty for weights that have no name yet, which are not cached.
    size : (z, y, x) voxels of an input, or None
        None is the window of the stage.
    """

    stage: Stage
    state: Mapping[str, Tensor] = field(repr=False)
    key: str = ""
    size: Shape | None = None

    @property
    def window(self) -> Shape:
        """(z, y, x) voxels of an input."""
        return self.size or self.stage.window

    def module(self) -> torch.nn.Module:
        """Return the network with its weights, ready to predict.

        Raises
        ------
        BundleError
            When the weights are not those of the network.
        """
        module = self.stage.network(**self.stage.network_args)
        try:
            module.load_state_dict(dict(self.state))
        except RuntimeError as error:
            raise BundleError(
                f"The weights of stage {self.stage.name!r} do not belong to its network ({error}). The bundle is "
                "damaged or was changed: download or bundle it again."
            ) from error
        return module.eval()


class Engine(ABC):
    """Runs one network.

    Attributes
    ----------
    name : ``"torch"`` or ``"openvino"``
    device : str
        Where the scores lie.
    precision : ``"float32"``, ``"bfloat16"`` or ``"float16"``
        What the network computes with.
    """

    name: str
    device: str
    precision: str = "float32"

    @abstractmethod
    def logits(self, windows: Tensor) -> Tensor:
        """Return the scores (B, C, Z, Y, X) for `windows` (B, I, Z, Y, X) from main memory, on the engine's device."""

    def make_ready(self, window: Shape) -> None:  # noqa: B027 - most engines have nothing to do
        """Do beforehand what takes long the first time that a window of this shape is predicted."""

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores (B, C, Z, Y, X) for `windows` (B, I, Z, Y, X), both in main memory."""
        result: NDArray[np.float32] = self.logits(torch.from_numpy(windows)).float().cpu().numpy()
        return result


def first_output(output: Any) -> Any:
    """Return the main output of a network that also gives side outputs (deep supervision, edges)."""
    return output[0] if isinstance(output, list | tuple) else output
