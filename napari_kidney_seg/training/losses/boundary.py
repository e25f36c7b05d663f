"""Squared Dice of nested structures and of their edges, plus balanced cross-entropy of the edges (boundary-aware).

References
----------
.. [1] Myronenko and Hatamizadeh, "3D Kidneys and Kidney Tumor Semantic Segmentation using Boundary-Aware Networks",
   KiTS19, arXiv:1909.06684, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_kidney_seg.core.errors import check_choice

TINY = 1e-5  # in the denominator of Dice
SPACE = (2, 3, 4)


def squared_dice(probabilities: Tensor, target: Tensor) -> Tensor:
    """Return ``1 - 2 sum p y / (sum y^2 + sum p^2 + 1e-5)`` per sample and class, shape (B, C).

    Nothing is added to the numerator: a class that is absent costs the constant 1, without any gradient [1]_.

    Parameters
    ----------
    probabilities, target : shape (B, C, Z, Y, X)
    """
    overlap = (probabilities * target).sum(dim=SPACE)
    return 1 - 2 * overlap / (target.square().sum(dim=SPACE) + probabilities.square().sum(dim=SPACE) + TINY)


def edge_bands(masks: Tensor) -> Tensor:
    """Return dilation minus erosion of 0/1 masks (B, C, Z, Y, X): a band two voxels wide. The border is no edge."""
    padded = functional.pad(masks, (1,) * 6, mode="replicate")
    return functional.max_pool3d(padded, 3, stride=1) + functional.max_pool3d(-padded, 3, stride=1)


def half_class_means(missed: Tensor, false: Tensor, edges: Tensor) -> Tensor:
    """Return half the mean over edge voxels of ``-log q`` plus half the mean over the others of ``-log(1 - q)``.

    Parameters
    ----------
    missed, false : shape (B, C, Z, Y, X)
        ``-log q`` and ``-log(1 - q)`` of the edge probability q.
    edges : shape (B, C, Z, Y, X), 0 or 1

    Returns
    -------
    shape (B, C). Without any edge voxel the second term stays: the only word against false edges.

    Notes
    -----
    Equation 2 of [1]_ calls the edge set non-edge, which would reward edges everywhere; read correctly, and divided by
    twice the summed weight of the edge voxels, it is this.
    """
    count, total = edges.sum(dim=SPACE), edges[0, 0].numel()
    on_edge = (missed * edges).sum(dim=SPACE) / count.clamp_min(1)
    elsewhere = (false * (1 - edges)).sum(dim=SPACE) / (total - count).clamp_min(1)
    return (on_edge + elsewhere) / 2


def weighted_sum(missed: Tensor, false: Tensor, edges: Tensor) -> Tensor:
    """Return equation 2 of [1]_ with its sets put right, a sum over voxels, shape (B, C); see `half_class_means`."""
    share = 1 - edges.mean(dim=SPACE)  # of non-edge voxels: beta
    return share * (missed * edges).sum(dim=SPACE) + (1 - share) * (false * (1 - edges)).sum(dim=SPACE)


def weighted_mean(missed: Tensor, false: Tensor, edges: Tensor) -> Tensor:
    """Return `weighted_sum` divided by the number of voxels, shape (B, C)."""
    return weighted_sum(missed, false, edges) / edges[0, 0].numel()


EDGE_COSTS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "mean": half_class_means,
    "sum": weighted_sum,
    "per_voxel": weighted_mean,
}


@dataclass(frozen=True, kw_only=True)
class BoundaryLoss:
    """Dice of the structures, plus Dice and cross-entropy of their edges; the mean over the structures.

    Attributes
    ----------
    bce : ``"mean"``, ``"sum"`` or ``"per_voxel"``
        Scale of the cross-entropy: the mean of the two class means, the paper's sum, or that sum per voxel. Against the
        sum over millions of voxels Dice is nothing; per voxel, the cross-entropy is.

    Raises
    ------
    KidneySegError
        When `bce` is none of the three.
    """

    bce: str = "mean"

    def __post_init__(self) -> None:
        check_choice("bce", self.bce, EDGE_COSTS)

    def __call__(self, outputs: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """Return the loss per sample, shape (B,).

        Parameters
        ----------
        outputs : scores of the structures and of their edges before sigmoid, each (B, C, Z, Y, X)
            Computed in float32.
        target : shape (B, Z, Y, X), integer
            How many of the nested structures hold the voxel: 0 background, 1 kidney, 2 tumor.
        """
        main, edge = (output.float() for output in outputs)
        masks = nested_masks(target, main.shape[1])
        bands = edge_bands(masks)
        # softplus(x) = -log(1 - sigmoid(x)), finite for any score
        cost = EDGE_COSTS[self.bce](functional.softplus(-edge), functional.softplus(edge), bands)
        total = squared_dice(main.sigmoid(), masks) + squared_dice(edge.sigmoid(), bands) + cost
        return total.mean(dim=1)


def nested_masks(target: Tensor, structures: int) -> Tensor:
    """Return 0/1 masks (B, structures, Z, Y, X), each holding the next, for the depth of nesting (B, Z, Y, X)."""
    depth = torch.arange(1, structures + 1, device=target.device).view(1, -1, 1, 1, 1)
    return (target.unsqueeze(1) >= depth).float()
