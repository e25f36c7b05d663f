"""What a training starts from: the weights of a bundle, or a trunk that others have trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.io.bundle import load_bundle
from napari_kidney_seg.methods import get_method

if TYPE_CHECKING:
    from torch import Tensor

    from napari_kidney_seg.core.method import Stage
    from napari_kidney_seg.training.request import TrainingRequest


def check_trunk(request: TrainingRequest, stages: tuple[Stage, ...]) -> None:
    """Check that a trunk, where `request` gives one, belongs to one of `stages` and fits it.

    Raises
    ------
    KidneySegError
        When it does not.
    """
    if request.trunk is None:
        return
    pretrained = [stage for stage in stages if stage.recipe.pretrained is not None]
    if not pretrained:
        names = ", ".join(repr(stage.name) for stage in stages)
        raise KidneySegError(
            f"Found the trunk {request.trunk.name!r} to start from; of {request.method!r}, stage {names}, no network "
            "has such a trunk. Leave it out, or train a stage with a trunk."
        )
    for stage in pretrained:
        start_weights(request, stage)


def start_weights(request: TrainingRequest, stage: Stage) -> dict[str, Tensor]:
    """Return the weights that `stage` starts from; none for a fresh start.

    Raises
    ------
    BundleError
        When the bundle of `request` does not fit its method.
    KidneySegError
        When its trunk does not fit `stage`.
    """
    if request.init is not None:
        return load_bundle(request.init, get_method(request.method, request.preset)).members(stage.name)[0]
    if request.trunk is not None and stage.recipe.pretrained is not None:
        with torch.device("meta"):  # shapes alone
            own = stage.network(**stage.network_args).state_dict()
        return stage.recipe.pretrained(request.trunk, own)
    return {}
