"""Optimizers by the names that recipes use."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from napari_kidney_seg.core.recipe import Recipe

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer of `recipe` for the parameters of `network`."""
    settings = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        settings["momentum"] = recipe.momentum
    make: Any = OPTIMIZERS[recipe.optimizer]
    optimizer: torch.optim.Optimizer = make(network.parameters(), **settings)
    return optimizer
