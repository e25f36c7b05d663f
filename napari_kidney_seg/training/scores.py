"""Counting agreement on validation windows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_kidney_seg.core.recipe import IGNORE


def predicted_classes(output: Tensor | tuple[Tensor, ...], activation: str) -> Tensor:
    """Return the class index of every voxel, shape (B, Z, Y, X).

    Parameters
    ----------
    output : scores (B, C, Z, Y, X), or a tuple that starts with them
    activation : ``"softmax"`` or ``"sigmoid"``
        With sigmoid the channels are nested structures, class 1 first, and the innermost one wins.
    """
    scores = output[0] if isinstance(output, tuple) else output
    if activation == "softmax":
        return scores.argmax(dim=1)
    rank = torch.arange(1, scores.shape[1] + 1, device=scores.device).view(1, -1, 1, 1, 1)
    return ((scores > 0) * rank).amax(dim=1)


def dice_counts(predicted: Tensor, target: Tensor, classes: int) -> Tensor:
    """Return (2 |A and B|, |A| + |B|, |B|) per class over the valid voxels, B the target; shape (3, classes), float64.

    Parameters
    ----------
    predicted : shape (B, Z, Y, X), class index
    target : shape (B, Z, Y, X) or (B, T, Z, Y, X)
        Class index, or `IGNORE`; of several channels the first.
    classes : int
    """
    reference = target[:, 0] if target.ndim > predicted.ndim else target
    valid = reference != IGNORE
    found, wanted = predicted[valid], reference[valid].long()
    hits = torch.bincount(wanted[found == wanted], minlength=classes)
    expected = torch.bincount(wanted, minlength=classes)
    sizes = torch.bincount(found, minlength=classes) + expected
    return torch.stack([2 * hits, sizes, expected]).double()


def class_scores(counts: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Return the Dice of each foreground class that the reference has, and their mean; nothing where it has none.

    Parameters
    ----------
    counts : shape (3, 1 + len(names))
        Sums of `dice_counts`, the background first.
    names : sequence of str
    """
    hits, sizes, expected = counts[:, 1:]
    present = [number for number in range(len(names)) if expected[number]]
    scores = {f"dice_{names[number]}": float(hits[number] / sizes[number]) for number in present}
    return {**scores, "dice": sum(scores.values()) / len(scores)} if scores else {}
