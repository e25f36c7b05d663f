"""Dice plus weighted cross-entropy over all answers of a deeply supervised network (masses-net, stage masses)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_kidney_seg.training.losses.dice import SPACE, dice_of_present, one_hot

CERTAINTY = 1e-7  # a probability is kept this far from 1 where the logarithm of what is missing is taken


@dataclass(frozen=True, kw_only=True)
class DiceWeightedCrossEntropy:
    """``alpha`` Dice plus ``1 - alpha`` weighted binary cross-entropy, averaged over the answers of a network.

    Attributes
    ----------
    class_weights : one weight per class, in the cross-entropy
    alpha : float
        Share of the Dice part, 0..1.

    Notes
    -----
    Equations 4 to 7 of [1]_ as METHODS.md section 1 corrects them: Dice is averaged over the classes present in a
    sample's target (an absent one would add a constant without gradient); the cross-entropy has its minus sign, the
    logarithm of the prediction and not of the target, and is a mean over voxels; both run over the same classes. The
    target is never shrunk: every answer comes at its full size.

    References
    ----------
    .. [1] Lin, Fu and Zheng, "Kidney and kidney tumor segmentation using a two-stage cascade framework", KiTS21.
    """

    class_weights: tuple[float, ...]
    alpha: float = 0.5

    def __call__(self, output: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Return the loss per sample, shape (B,).

        Parameters
        ----------
        output : scores before softmax, shape (B, C, Z, Y, X), or a tuple of them
            Computed in float32.
        target : shape (B, Z, Y, X), integer
            Class index.
        """
        answers = output if isinstance(output, tuple) else (output,)
        reference = one_hot(target, answers[0].shape[1])
        with torch.autocast(reference.device.type, enabled=False):
            losses = [self._of_answer(answer.float(), reference) for answer in answers]
        return torch.stack(losses).mean(dim=0)

    def _of_answer(self, logits: Tensor, reference: Tensor) -> Tensor:
        weights = torch.tensor(self.class_weights, device=logits.device)
        dice = dice_of_present(logits.softmax(dim=1), reference)
        return self.alpha * dice + (1 - self.alpha) * weighted_cross_entropy(logits, reference, weights)


def weighted_cross_entropy(logits: Tensor, reference: Tensor, weights: Tensor) -> Tensor:
    """Return the binary cross-entropy of each class, times its weight, summed over classes, per voxel; shape (B,).

    Parameters
    ----------
    logits, reference : float32, shape (B, C, Z, Y, X)
        Scores before softmax, and the target with one channel per class.
    weights : shape (C,)

    Notes
    -----
    METHODS.md keeps probabilities 1e-7 away from 0 and 1. Here they are kept from 1 only: a clamp at 0 takes the
    gradient from just those voxels that are wrong and sure of it, and a network that once answered background
    everywhere never learned anything else.
    """
    log_of = logits.log_softmax(dim=1)
    log_of_rest = torch.log1p(-log_of.exp().clamp_max(1 - CERTAINTY))
    likelihood = reference * log_of + (1 - reference) * log_of_rest
    return -(likelihood.mean(dim=SPACE) * weights).sum(dim=1)
