"""Cross-entropy of several branches: balanced between classes and over hard voxels only, or plain (bisc-unet)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BranchLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class BalancedCrossEntropy:
    """Cross-entropy averaged within each class present, over voxels that are still hard, and then over those classes.

    Attributes
    ----------
    hard_threshold : float
        A voxel counts while the probability of its true class is less than one minus this; 0 counts all.

    Notes
    -----
    The paper's equation 1 lacks the minus sign and divides by zero for a class that is absent; such classes are left
    out. As printed, the sum over the hard voxels is divided by all voxels of the class. Where every voxel is easy the
    loss and its gradient are exactly 0. METHODS.md adds 1e-6 to a probability before its logarithm; here the logarithm
    comes from the scores instead, because that would take the gradient from voxels that are wrong and sure of it.

    References
    ----------
    .. [1] Wang et al., "BiSC-UNet", KiTS19, section 2.3.
    """

    hard_threshold: float = 0.1

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss per sample, shape (B,).

        Parameters
        ----------
        logits : shape (B, C, Z, Y, X)
            Scores before softmax; computed in float32.
        target : shape (B, Z, Y, X), integer class index
        """
        log_probability = _log_probability_of_truth(logits, target)  # (B, N)
        is_hard = (1 - log_probability.detach().exp()) > self.hard_threshold
        cost = -log_probability * is_hard
        classes = target.long().flatten(1)
        empty = cost.new_zeros(len(cost), logits.shape[1])
        sums = empty.scatter_add(1, classes, cost)  # (B, C)
        sizes = empty.scatter_add(1, classes, torch.ones_like(cost))
        present = (sizes > 0).float()
        return (sums / sizes.clamp_min(1)).sum(dim=1) / present.sum(dim=1)


@dataclass(frozen=True, kw_only=True)
class PlainCrossEntropy:
    """Mean of ``-log p`` of the true class over all voxels: the paper's ablation."""

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss per sample, shape (B,), for `logits` (B, C, Z, Y, X) and class indices (B, Z, Y, X)."""
        return -_log_probability_of_truth(logits, target).mean(dim=1)


@dataclass(frozen=True, kw_only=True)
class SumOverBranches:
    """The same loss for every branch of a network, added up with equal weights."""

    branch: BranchLoss

    def __call__(self, outputs: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Return the loss per sample, shape (B,).

        Parameters
        ----------
        outputs : per branch scores (B, C, Z, Y, X)
        target : shape (B, T, Z, Y, X)
            A channel of class indices per branch.
        """
        losses = [self.branch(output, target[:, index]) for index, output in enumerate(outputs)]
        return torch.stack(losses).sum(dim=0)


def _log_probability_of_truth(logits: Tensor, target: Tensor) -> Tensor:
    """Return the logarithm of the probability of each voxel's true class in float32, shape (B, N)."""
    chosen = functional.log_softmax(logits.float(), dim=1).gather(1, target.long().unsqueeze(1))
    return chosen.flatten(1)
