"""How a stage is trained: data, read by `training.task` and `training.trainer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import torch

IGNORE = 255  # target value of voxels that a loss leaves out


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a stage is trained.

    Attributes
    ----------
    sampler : callable (case, stage, rng) -> (image, labels)
        Cuts one window, shape `stage.window`, from a case: float32 normalized image and uint8 label ids, which may be
        those of `core.found` where the stage has a guide. The stage it gets is fitted to the scan. A
        `training.known_case.EpochSampler` goes through the windows of each case instead.
    target : callable (labels) -> target
        From label ids (Z, Y, X) to what the loss compares with: a class index per voxel (Z, Y, X), or channels
        (T, Z, Y, X) of which the first is that index; `IGNORE` marks voxels left out.
    loss : callable () -> (callable (network output, target) -> shape (B,) loss per sample)
        The output of a network that answers several questions is a tuple, the main answer first.
    final_loss : callable like `loss`, or None
        Takes over for the last `final_share` of the epochs.
    final_share : float, 0..1
    weighted_loss : callable (class weights) -> loss, or None
        For losses whose weights are measured on the training cases (`training.class_weights`); `loss` then makes the
        one with weights for no data set in particular.
    joint_loss : callable (network, images, targets) -> shape (B,), or None
        For networks that compute their loss themselves; then used instead of `loss`.
    pretrained : callable (path, parameters by name) -> weights by name, or None
        Reads the part of the network that others have trained from a file of theirs, which a person gives; of the
        network's own parameters only the shapes are read.
    augmentation : tuple of callables (image, labels, rng) -> (image, labels), on arrays (Z, Y, X)
    optimizer : ``"adam"``, ``"adamw"`` or ``"sgd"``
    learning_rate, weight_decay : float
    momentum : float
        Of ``"sgd"``.
    gradient_norm : float
        Longer gradients are shortened to this; the 12 is our choice, no paper names one.
    schedule : ``"constant"``, ``"cosine"``, ``"poly"`` or ``"step"``
    batch, epochs : int
    windows_per_case : int
        Windows drawn from each case per epoch.
    excluded_cases : tuple of str
        Names of cases that are left out of training and validation.
    mixup_alpha : float
        Of Beta(alpha, alpha); 0 switches mixup off. `mixup_probability` is per batch.
    hard_fraction : float
        Share of the cases with the highest running loss that are drawn twice in the next epoch.
    """

    sampler: Callable[..., Any]
    target: Callable[[Any], Any]
    loss: Callable[[], Callable[..., torch.Tensor]]
    final_loss: Callable[[], Callable[..., torch.Tensor]] | None = None
    final_share: float = 0.75
    weighted_loss: Callable[[tuple[float, ...]], Callable[..., torch.Tensor]] | None = None
    joint_loss: Callable[..., torch.Tensor] | None = None
    pretrained: Callable[[Path, Mapping[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None
    augmentation: tuple[Callable[..., Any], ...] = ()
    optimizer: str = "adamw"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    momentum: float = 0.0
    gradient_norm: float = 12.0
    schedule: str = "constant"
    batch: int = 2
    epochs: int = 100
    windows_per_case: int = 1
    excluded_cases: tuple[str, ...] = ()
    mixup_alpha: float = 0.0
    mixup_probability: float = 0.5
    hard_fraction: float = 0.0

    def loss_in(self, epoch: int) -> Callable[[], Callable[..., torch.Tensor]]:
        """Return the maker of the loss in `epoch`, counted from 0."""
        is_early = epoch < round((1 - self.final_share) * self.epochs)
        return self.loss if self.final_loss is None or is_early else self.final_loss
