"""Trunk weights that others have trained, from a file a person gives: nothing is ever fetched."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_kidney_seg.core.errors import KidneySegError

# Where the layers of a ResNet stand in a `SliceDetector`; COCO checkpoints of torchvision say "backbone.body." before.
_COCO_PREFIX = "backbone.body."
_BACKBONE, _BOX_HEAD = "detector.backbone.", "detector.roi_heads.box_head."
_LAYERS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
_NEEDED = "Give torchvision's fasterrcnn_resnet50_fpn or resnet50 weights."


def read_trunk(path: str | Path, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a ResNet in the file at `path`, named as in a `networks.faster_rcnn.SliceDetector`.

    Known are torchvision's COCO checkpoint ``fasterrcnn_resnet50_fpn`` (only its trunk is read: torchvision has no COCO
    weights for conv4 features) and its ImageNet ``resnet50``.

    Parameters
    ----------
    path : .safetensors, or a torch file that holds tensors only
    own : parameters of the detector by name, of which only the shapes are read

    Raises
    ------
    KidneySegError
        When the file cannot be read, holds no layer of a ResNet, or not those of the detector's.
    """
    path = Path(path)
    state = _tensors(path)
    trunk = {_own_name(name.removeprefix(_COCO_PREFIX)): tensor for name, tensor in state.items() if _is_trunk(name)}
    if not trunk:
        raise KidneySegError(
            f"{path.name!r} holds {sorted(state)[:3]!r} ...; needed the layers of a ResNet (conv1, layer1 to layer4). "
            f"{_NEEDED}"
        )
    _check_fit(path, trunk, own)
    return trunk


def _tensors(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors in the file by name."""
    if not path.is_file():
        raise KidneySegError(f"No file at {str(path)!r}; needed the weights of a ResNet. Check the path. {_NEEDED}")
    try:
        state: Any = load_file(path) if path.suffix == ".safetensors" else _load_torch(path)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise KidneySegError(
            f"{path.name!r} cannot be read as weights ({reason}); needed a file that holds tensors only. {_NEEDED}"
        ) from error
    named = state if isinstance(state, Mapping) else {}
    return {str(name): tensor for name, tensor in named.items() if isinstance(tensor, Tensor)}


def _load_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _check_fit(path: Path, trunk: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse a trunk that is not, layer by layer, the detector's."""
    needed = {name: tensor for name, tensor in own.items() if name.startswith((_BACKBONE, _BOX_HEAD))}
    for name in (*needed, *trunk):
        if _shape(trunk, name) != _shape(needed, name):
            raise KidneySegError(
                f"{path.name!r} holds a trunk whose {_published_name(name)!r} is {_shape(trunk, name)}; that of the "
                f"detector is {_shape(needed, name)}. {_NEEDED} Only presets as wide as 'paper' have that trunk: "
                "choose one of them, or start without the file."
            )


def _shape(weights: Mapping[str, Tensor], name: str) -> str:
    return " x ".join(map(str, weights[name].shape)) if name in weights else "missing"


def _is_trunk(name: str) -> bool:
    layer = name.removeprefix(_COCO_PREFIX).split(".")[0]
    return layer in _LAYERS and not name.endswith("batches_tracked")


def _own_name(name: str) -> str:
    return f"{_BOX_HEAD if name.startswith('layer4') else _BACKBONE}{name}"


def _published_name(name: str) -> str:
    return name.removeprefix(_BACKBONE).removeprefix(_BOX_HEAD)
