"""Dice of the classes that a sample has (rcnn-vnet, stage segmentation)."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_kidney_seg.training.losses.dice_weighted_cross_entropy import dice_of_present
from napari_kidney_seg.training.losses.per_class_dice import one_hot


def present_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return one minus the mean Dice of the classes present in each sample's target, background too; shape (B,).

    Parameters
    ----------
    logits : shape (B, C, Z, Y, X)
        Scores before softmax; computed in float32.
    target : shape (B, Z, Y, X), integer
        Class index.

    Notes
    -----
    ``|AB|`` of equation 6 in [1]_ is the intersection. An absent class would add a constant without gradient.

    References
    ----------
    .. [1] Kamkova et al., "Kidney and tumor segmentation using combined Deep learning method", KiTS19.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return dice_of_present(logits.float().softmax(dim=1), one_hot(target, logits.shape[1]))
