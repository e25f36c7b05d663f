"""Dice of each class, averaged over all of them (masses-net) or over those that a sample has (rcnn-vnet)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMOOTHING = 1e-5  # theta of [1]_ in `per_class_dice`, in the denominator
SPACE = (2, 3, 4)  # axes z, y, x of (B, C, Z, Y, X)


def one_hot(target: Tensor, classes: int) -> Tensor:
    """Return `target` (B, Z, Y, X), class index, as one channel per class, float32 (B, C, Z, Y, X)."""
    return functional.one_hot(target.long(), classes).movedim(-1, 1).float()


def class_dice(probabilities: Tensor, reference: Tensor) -> Tensor:
    """Return ``2 sum r t / (sum r + sum t + theta)`` of each class, shape (B, C).

    Parameters
    ----------
    probabilities, reference : shape (B, C, Z, Y, X)
        Softmax output r and one-hot target t.
    """
    overlap = (probabilities * reference).sum(dim=SPACE)
    return 2 * overlap / (probabilities.sum(dim=SPACE) + reference.sum(dim=SPACE) + SMOOTHING)


def dice_of_present(probabilities: Tensor, reference: Tensor) -> Tensor:
    """Return one minus the mean Dice of the classes in each sample's `reference`, both (B, C, Z, Y, X); shape (B,)."""
    is_present = (reference.sum(dim=SPACE) > 0).float()  # (B, C)
    return 1 - (class_dice(probabilities, reference) * is_present).sum(dim=1) / is_present.sum(dim=1)


def per_class_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return one minus the mean Dice of all classes, background too; shape (B,).

    Parameters
    ----------
    logits : shape (B, C, Z, Y, X)
        Scores before softmax; computed in float32.
    target : shape (B, Z, Y, X), integer
        Class index.

    Notes
    -----
    Equation 1 of [1]_ puts both classes into one fraction. With softmax that is one minus the mean probability of the
    true class: an answer without any kidney scores 0.006 where kidney is 0.5 % of the window. Taken class by class it
    scores 0.50. A class that is absent adds a constant and no gradient.

    References
    ----------
    .. [1] Lin, Fu and Zheng, "Kidney and kidney tumor segmentation using a two-stage cascade framework", KiTS21.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return 1 - class_dice(logits.float().softmax(dim=1), one_hot(target, logits.shape[1])).mean(dim=1)


def present_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return one minus the mean Dice of the classes present in each sample's target, background too; shape (B,).

    Parameters
    ----------
    logits, target
        As for `per_class_dice`.

    Notes
    -----
    ``|AB|`` of equation 6 in [1]_ is the intersection. An absent class would add a constant without gradient.

    References
    ----------
    .. [1] Kamkova et al., "Kidney and tumor segmentation using combined Deep learning method", KiTS19.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return dice_of_present(logits.float().softmax(dim=1), one_hot(target, logits.shape[1]))
