"""Training a stage and bundling trained stages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from napari_kidney_seg.cli.console import follow
from napari_kidney_seg.core.errors import BundleError, DatasetError
from napari_kidney_seg.core.method import Method, Stage
from napari_kidney_seg.io.bundle import load_bundle
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.bundling import bundle_runs
from napari_kidney_seg.training.dataset import open_dataset
from napari_kidney_seg.training.run_folder import RunFolder
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions

if TYPE_CHECKING:
    from torch import Tensor

RUN_FILE = "run.json"  # in a run folder: what it trains
VALIDATION_SHARE = 0.2  # one fold of five
SPLIT_SEED = 0
CARD_FIELDS = ("training_data", "licence", "training", "scores", "limits")
_NEEDED_FIELDS = ("training_data", "licence")


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What to train, on what, and where to.

    Attributes
    ----------
    method, stage, preset : str
    data : folder of labeled cases
    output : run folder
    epochs : int or None
        None takes those of the recipe.
    """

    method: str
    stage: str
    preset: str
    data: Path
    output: Path
    epochs: int | None = None


def train_stage(
    request: TrainingRequest, console: Console, *, device: str = "auto", init: Path | None = None, resume: bool = False
) -> Path:
    """Train one stage and return the path of its best weights.

    Parameters
    ----------
    request : TrainingRequest
    console : Console
    device : ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``
    init : bundle whose weights to start from, or None
    resume : bool
        Go on from the last checkpoint in the run folder.

    Raises
    ------
    UnknownMethodError
        When method, preset or stage does not exist.
    DatasetError
        When there is no labeled case, or the run folder holds another run.
    """
    method = get_method(request.method, request.preset)
    planned = RunFolder(request.output).facts().get("epochs") if resume else None
    stage = _with_epochs(method.stage(request.stage), request.epochs or planned)
    cases = open_dataset(request.data, request.output / "cache").without(stage.recipe.excluded_cases)
    training, validation = cases.split(VALIDATION_SHARE, SPLIT_SEED)
    console.print(f"{len(training)} cases to train on, {len(validation)} to validate on.")
    start = _initial_weights(init, method, stage)
    options = TrainerOptions(accelerator=device, resume=resume, start_from=start)
    trainer = Trainer(StageTask(stage=stage, training=training, validation=validation), request.output, options)
    _write_run(request)
    best = follow(trainer.run(), f"train {method.name} {stage.name}", console)
    console.print(f"Best weights: {escape(str(best))}")
    return best


def bundle_stages(runs: tuple[Path, ...], output: Path, card: Path) -> Path:
    """Write the best weights of `runs` with the facts in the JSON file `card` to `output`, and return it.

    Raises
    ------
    DatasetError
        When a run folder is none, or the runs are of different methods or presets.
    BundleError
        When a stage has no run, or the card lacks what only its maker knows.
    """
    records = {folder: _read_run(folder) for folder in runs}
    kinds = sorted({(record["method"], record["preset"]) for record in records.values()})
    if len(kinds) != 1:
        raise DatasetError(f"Found runs of {kinds!r}; needed one method at one preset. Bundle them apart.")
    method = get_method(*kinds[0])
    by_stage = {
        stage.name: [folder for folder, record in records.items() if record["stage"] == stage.name]
        for stage in method.stages
    }
    missing = [name for name, folders in by_stage.items() if not folders]
    if missing:
        raise BundleError(f"Found no run of the stages {missing!r}; needed one for each. Train them first.")
    return bundle_runs(method, by_stage, output, _read_facts(card)).path


def _with_epochs(stage: Stage, epochs: int | None) -> Stage:
    return replace(stage, recipe=replace(stage.recipe, epochs=epochs)) if epochs else stage


def _initial_weights(init: Path | None, method: Method, stage: Stage) -> dict[str, Tensor]:
    return load_bundle(init, method).members(stage.name)[0] if init else {}


def _write_run(request: TrainingRequest) -> None:
    record = {name: value if isinstance(value, int) else str(value) for name, value in asdict(request).items() if value}
    (request.output / RUN_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _read_run(folder: Path) -> Mapping[str, str]:
    try:
        record: dict[str, str] = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return {name: record[name] for name in ("method", "preset", "stage")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{str(folder)!r} is no run folder ({error!r}); needed one that `napari-kidney-seg train` made. Check it."
        ) from error


def _read_facts(card: Path) -> dict[str, Any]:
    """Return the fields of a card that only its maker knows."""
    try:
        facts = dict(json.loads(card.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"{str(card)!r} is no card ({error}); needed a JSON object. Write one.") from error
    unknown, missing = sorted(facts.keys() - set(CARD_FIELDS)), sorted(set(_NEEDED_FIELDS) - facts.keys())
    if unknown or missing:
        raise BundleError(
            f"The card {card.name!r} lacks {missing!r} and has the unknown fields {unknown!r}; "
            f"known are {CARD_FIELDS!r}. Correct it."
        )
    return facts
