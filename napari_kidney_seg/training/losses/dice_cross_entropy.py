"""Dice plus cross-entropy over annotated voxels (resunet-2.5d)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_kidney_seg.core.recipe import IGNORE

SMOOTHING = 1e-5


@dataclass(frozen=True, kw_only=True)
class MaskedDiceCrossEntropy:
    """Weighted Dice plus weighted cross-entropy over the voxels that are not `IGNORE`.

    Attributes
    ----------
    class_weights : one weight per class, both in the Dice mean and in the cross-entropy
    hardest_share : float, 0..1
        Of a sample's valid voxels: those with the highest weighted cross-entropy, which alone count in its mean.

    Notes
    -----
    Dice of class c is ``1 - (2 sum p y + s) / (sum p + sum y + s)``, averaged over the classes present in the sample's
    target. A sample without any valid voxel gives 0 and no gradient. MONAI's ``MaskedLoss`` multiplies logits by the
    mask before softmax, which makes masked voxels uniform predictions instead of leaving them out; hence this one.

    References
    ----------
    .. [1] Chen and Zhang, "An Ensemble of 2.5D ResUnet Based Models ...", KiTS23, section 2.2.
    .. [2] Ma et al., "Loss odyssey in medical image segmentation", Med. Image Anal. 71, 2021.
    .. [3] Shrivastava et al., "Training region-based object detectors with online hard example mining", CVPR 2016.
    """

    class_weights: tuple[float, ...]
    hardest_share: float = 1.0

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss per sample, shape (B,).

        Parameters
        ----------
        logits : shape (B, C, Z, Y, X)
            Scores before softmax; computed in float32.
        target : shape (B, Z, Y, X), integer
            Class index, or `IGNORE`.
        """
        logits = logits.float()
        target = target.long()
        weights = torch.tensor(self.class_weights, device=logits.device)
        valid = (target != IGNORE).unsqueeze(1)  # (B, 1, Z, Y, X)
        one_hot = _one_hot(target, logits.shape[1]) * valid
        log_probabilities = logits.log_softmax(dim=1)
        dice = _dice_of_present(log_probabilities.exp() * valid, one_hot, weights)
        if self.hardest_share < 1:
            losses = -(one_hot * weights.view(1, -1, 1, 1, 1) * log_probabilities).sum(dim=1, keepdim=True)
            one_hot = one_hot * _is_hardest(losses.detach(), valid, self.hardest_share)
        return dice + _cross_entropy(log_probabilities, one_hot, weights)


def _one_hot(target: Tensor, classes: int) -> Tensor:
    kept = target.where(target != IGNORE, 0)
    return functional.one_hot(kept, classes).movedim(-1, 1).float()


def _dice_of_present(probabilities: Tensor, one_hot: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of the Dice loss over the classes present in each sample, shape (B,)."""
    space = (2, 3, 4)
    size = one_hot.sum(dim=space)  # (B, C)
    overlap = (probabilities * one_hot).sum(dim=space)
    dice = 1 - (2 * overlap + SMOOTHING) / (probabilities.sum(dim=space) + size + SMOOTHING)
    present = (size > 0) * weights
    return (dice * present).sum(dim=1) / present.sum(dim=1).clamp_min(SMOOTHING)


def _is_hardest(losses: Tensor, valid: Tensor, share: float) -> Tensor:
    """Return 1 at the voxels with the highest `losses`, a `share` of the `valid` ones of each sample, else 0.

    Parameters
    ----------
    losses, valid : shape (B, 1, Z, Y, X)
    share : float, 0..1
    """
    order = losses.masked_fill(~valid, -1).flatten(1).argsort(dim=1, descending=True)
    counts = (valid.flatten(1).sum(dim=1, keepdim=True) * share).ceil()
    is_counted = torch.arange(order.shape[1], device=order.device) < counts  # by rank
    return torch.zeros_like(order).scatter(1, order, is_counted.long()).view_as(losses)


def _cross_entropy(log_probabilities: Tensor, one_hot: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of -log p(true class) over the valid voxels of each sample, shape (B,)."""
    weighted = one_hot * weights.view(1, -1, 1, 1, 1)
    total = -(weighted * log_probabilities).sum(dim=(1, 2, 3, 4))
    return total / weighted.sum(dim=(1, 2, 3, 4)).clamp_min(SMOOTHING)
