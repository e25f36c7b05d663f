"""Train one stage of a method's bundled compact model on rendered phantoms (and other labelled folders).

The run is resumed by the same command. See docs/bundled-model.md for the commands that made the bundled weights::

    python scripts/train_compact.py resunet-2.5d kidney --data phantoms --runs runs --epochs 12
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_kidney_seg.core.events import EpochDone, Progress
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.io.bundle import Bundle, read_card
from napari_kidney_seg.methods import REGISTRY, get_method
from napari_kidney_seg.training.dataset import Dataset, open_dataset
from napari_kidney_seg.training.run_folder import RunFolder, best_weights
from napari_kidney_seg.training.starting_weights import of_classes
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions

SPLIT_SEED = 23
VALIDATION_SHARE = 0.06
REPORT_EVERY = 10  # steps


def parse() -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=list(REGISTRY))
    parser.add_argument("stage")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders in KiTS layout")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--run", help="name of the run folder; default: METHOD-STAGE")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--hard-fraction", type=float, help="of the cases, drawn twice in an epoch")
    parser.add_argument("--start-from", type=Path, help="run folder, or bundle, whose weights are the start")
    parser.add_argument("--windows-per-case", type=int, help="in an epoch, where the sampler leaves it open")
    parser.add_argument("--loss", help="function of the method's module in place of the preset's, e.g. balanced_loss")
    parser.add_argument("--channels-last", action="store_true", help="faster on a processor where kernels are 3x3x3")
    parser.add_argument("--cases", type=int, help="use the first N cases only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def stage_for(arguments: argparse.Namespace) -> Stage:
    """Return the compact stage with the schedule asked for."""
    stage = get_method(arguments.method, "compact").stage(arguments.stage)
    asked = {name: getattr(arguments, name) for name in ("learning_rate", "windows_per_case", "hard_fraction")}
    changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if arguments.loss:
        changes["loss"] = getattr(importlib.import_module(REGISTRY[arguments.method]), arguments.loss)
        changes["final_loss"] = None
    return replace(stage, recipe=replace(stage.recipe, epochs=arguments.epochs, **changes))


def gather(arguments: argparse.Namespace) -> Dataset:
    """Return the cases of all folders, those without a finished mask left out."""
    cases = [case for folder in arguments.data for case in open_dataset(folder).cases]
    return Dataset(cases=tuple(cases[: arguments.cases]), cache=arguments.runs / "cache")


def record(arguments: argparse.Namespace, folder: Path) -> None:
    """Write what made the run into its folder, for the card of the bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    start = arguments.start_from
    if start is not None and start.is_dir():
        start = RunFolder(start).best
    facts = {name: str(value) for name, value in vars(arguments).items() if value is not None}
    facts["data"] = " ".join(str(path) for path in arguments.data)
    facts["commit"] = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    facts["start_sha256"] = hashlib.sha256(start.read_bytes()).hexdigest() if start else ""
    (folder / "command.json").write_text(json.dumps(facts, indent=2))


def start_weights(arguments: argparse.Namespace) -> dict[str, torch.Tensor]:
    """Return the weights to start with; none for a fresh start."""
    start = arguments.start_from
    if start is None:
        return {}
    if start.is_dir():
        return best_weights(start)
    bundle = Bundle(start, read_card(start))
    before = bundle.card.stages[arguments.stage]["classes"]  # they may have changed since
    return of_classes(bundle.members(arguments.stage)[0], before, stage_for(arguments).classes)


def main() -> None:
    """Train, printing progress."""
    arguments = parse()
    folder = arguments.runs / (arguments.run or f"{arguments.method}-{arguments.stage}")
    record(arguments, folder)
    torch.set_num_threads(arguments.threads)
    training, validation = gather(arguments).split(VALIDATION_SHARE, SPLIT_SEED)
    task = StageTask(stage=stage_for(arguments), training=training, validation=validation, seed=arguments.seed)
    options = TrainerOptions(
        workers=arguments.workers,
        resume=True,
        start_from=start_weights(arguments),
        channels_last=arguments.channels_last,
    )
    for event in Trainer(task, folder, options).run():
        if isinstance(event, EpochDone) or (isinstance(event, Progress) and event.done % REPORT_EVERY == 0):
            print(event, flush=True)


if __name__ == "__main__":
    main()
