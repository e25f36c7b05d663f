"""Repeat an ablation that a paper reports: train with and without one part, at reduced width and equal budget.

One command per ablation; a stopped one is resumed by the same command. The figures stand in docs/ablations.md::

    python scripts/ablations.py mdf --runs ablations
    python scripts/ablations.py deep-supervision --runs ablations
    python scripts/ablations.py balanced-cross-entropy --runs ablations
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.methods.bisc_unet import plain_loss
from napari_kidney_seg.training.dataset import open_dataset
from napari_kidney_seg.training.run_folder import RunFolder
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions

SPLIT_SEED, VALIDATION_SHARE, VALIDATION_WINDOWS = 23, 0.25, 40
LAST_EPOCHS = 5  # the score is their mean: one epoch's jumps


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A stage, and how it is changed to leave one part out."""

    method: str
    stage: str
    without: Callable[[Stage], Stage]


def without_argument(name: str) -> Callable[[Stage], Stage]:
    """Return the change that switches the network's argument `name` off."""
    return lambda stage: replace(stage, network_args={**stage.network_args, name: False})


def with_plain_loss(stage: Stage) -> Stage:
    """Return `stage` with plain cross-entropy."""
    return replace(stage, recipe=replace(stage.recipe, loss=plain_loss))


ABLATIONS = {
    "mdf": Ablation(method="masses-net", stage="masses", without=without_argument("mdf")),
    "deep-supervision": Ablation(method="masses-net", stage="masses", without=without_argument("deep_supervision")),
    "balanced-cross-entropy": Ablation(method="bisc-unet", stage="fine", without=with_plain_loss),
}


def train(stage: Stage, arguments: argparse.Namespace, seed: int, folder: Path) -> dict[str, float]:
    """Train `stage`, or go on, and return its mean validation scores of the last epochs."""
    stage = replace(stage, recipe=replace(stage.recipe, epochs=arguments.epochs))
    cases = replace(open_dataset(arguments.data), cache=arguments.runs / "cache")
    training, validation = cases.split(VALIDATION_SHARE, SPLIT_SEED)
    task = StageTask(
        stage=stage, training=training, validation=validation, seed=seed, validation_windows=VALIDATION_WINDOWS
    )
    for event in Trainer(task, folder, TrainerOptions(device="cpu", resume=True)).run():
        if isinstance(event, EpochDone):
            print(folder.name, event.epoch, round(event.loss, 4), event.scores, flush=True)
    last = RunFolder(folder).epochs()[-LAST_EPOCHS:]
    return {name: float(np.mean([epoch.scores[name] for epoch in last])) for name in last[0].scores}


def main() -> None:
    """Train both variants with every seed and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ablation", choices=list(ABLATIONS))
    parser.add_argument("--data", default="phantoms:48", help="labelled cases, or a number of analytic phantoms")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chosen = ABLATIONS[arguments.ablation]
    stage = get_method(chosen.method, "smoke").stage(chosen.stage)
    whole = f"{chosen.method}-{chosen.stage}"  # ablations of one stage share it
    for variant, changed in (("with", stage), ("without", chosen.without(stage))):
        name = whole if variant == "with" else f"{whole}-without-{arguments.ablation}"
        folders = [arguments.runs / f"{name}-{seed}" for seed in range(arguments.seeds)]
        scores = [train(changed, arguments, seed, folder) for seed, folder in enumerate(folders)]
        cells = [f"{name} {' / '.join(f'{one[name]:.3f}' for one in scores)}" for name in scores[0]]
        print(f"| {arguments.ablation} | {variant} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
