"""Starting a network from weights that another training left, possibly of a network that differs a little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

INPUTS = 1  # the axis of a convolution's weights that counts its input channels


def start_from(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load those of `weights` that fit `network`; the others stay as they are.

    Parameters
    ----------
    network : nn.Module
    weights : mapping of parameter name to tensor
        Those of a network that saw fewer channels (the CT, then guides) fit too: it begins by ignoring the new ones.
    """
    own = network.state_dict()
    known = {name: tensor for name, tensor in weights.items() if name in own}
    entry = _first_convolution(network)
    if entry in known:
        known[entry] = _with_new_inputs(known[entry], own[entry])
    fitting = {name: tensor for name, tensor in known.items() if tensor.shape == own[name].shape}
    network.load_state_dict(fitting, strict=False)


def of_classes(weights: Mapping[str, Tensor], before: Sequence[str], now: Sequence[str]) -> dict[str, Tensor]:
    """Return weights that answer for the classes `now`, from those of the same network that answered for `before`.

    Parameters
    ----------
    weights : mapping of parameter name to tensor
        What has one row per class in `before` is taken for an answer.
    before, now : names of classes
        A class that there was before keeps its answer; a new one begins at 0.
    """
    if tuple(before) == tuple(now):
        return dict(weights)
    rows = {name: index for index, name in enumerate(before)}

    def matched(tensor: Tensor) -> Tensor:
        if not tensor.ndim or len(tensor) != len(before):
            return tensor
        return torch.stack([tensor[rows[name]] if name in rows else torch.zeros_like(tensor[0]) for name in now])

    return {name: matched(tensor) for name, tensor in weights.items()}


def _first_convolution(network: nn.Module) -> str | None:
    """Return the name of the weights that see the input."""
    return next((f"{n}.weight".lstrip(".") for n, part in network.named_modules() if isinstance(part, nn.Conv3d)), None)


def _with_new_inputs(tensor: Tensor, own: Tensor) -> Tensor:
    """Return `tensor` with zeros for the input channels that only `own` has."""
    added = own.shape[INPUTS] - tensor.shape[INPUTS]
    if added <= 0:
        return tensor
    missing = tensor.new_zeros([*tensor.shape[:INPUTS], added, *tensor.shape[INPUTS + 1 :]])
    return torch.cat((tensor, missing), dim=INPUTS)
