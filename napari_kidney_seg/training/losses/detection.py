"""The loss of a detector, which computes it itself (rcnn-vnet, stage kidney)."""

from __future__ import annotations

from torch import Tensor, nn


def detection_loss(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of the losses of proposals and of boxes, shape (B,).

    Smooth L1 on the corners of positive anchors and boxes, cross-entropy on their classes, with as many negatives as
    positives.

    Parameters
    ----------
    network : networks.faster_rcnn.SliceDetector, in training mode
    images : shape (B, 1, Z, Y, X)
    targets : shape (B, 3, Z, Y, X), from `training.kidney_slices.rectangle_target`

    References
    ----------
    .. [1] Kamkova et al., "Kidney and tumor segmentation using combined Deep learning method", KiTS19, equation 1.
    """
    losses: Tensor = network(images, targets)
    return losses
