"""From trained stages to one file: put together by hand with a card, or at the end of a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_kidney_seg.core.errors import BundleError, DatasetError
from napari_kidney_seg.core.method import Method, Stage
from napari_kidney_seg.io.bundle import Bundle, check_new, load_bundle
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.bundling import bundle_runs, write_bundle
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.run_folder import RunFolder, weights_of_stage
from napari_kidney_seg.training.training_folder import RUN_FILE, TrainingFolder
from napari_kidney_seg.training.training_view import RunView, view_training

if TYPE_CHECKING:
    from torch import Tensor

CARD_FIELDS = ("training_data", "licence", "training", "scores", "limits")
_NEEDED_FIELDS = ("training_data", "licence")
UNKNOWN_LICENCE = "not stated; that of the training data may apply"
LIMITS = "Chosen by its Dice on windows of held-out cases of the same data. Not tested on other scans."
NOT_VALIDATED = "Not validated: no case was held out, and nothing is known of how good it is. Not tested on any scan."


def bundle_stages(runs: tuple[Path, ...], output: Path, card: Path) -> Path:
    """Write the best weights of `runs` with the facts in the JSON file `card` to `output`, and return it.

    A folder of a whole training stands for those of its stages.

    Raises
    ------
    DatasetError
        When a run folder is none, or the runs are of different methods or presets.
    BundleError
        When a stage has no run, the card lacks what only its maker knows, or `output` is not called ``.safetensors``.
    UnwritableImageError
        When `output` is there already.
    """
    check_new(output)
    records = {folder: _read_run(folder) for given in runs for folder in _stage_folders(given)}
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


def bundle_training(request: TrainingRequest, method: Method) -> Path | None:
    """Write the bundle of a training and return it; None when none was asked for or a stage has no weights yet.

    Stages that the training leaves as they are have the weights of the bundle it started from.

    Raises
    ------
    UnwritableImageError
        When it cannot be written.
    """
    if request.bundle is None:
        return None
    start = load_bundle(request.init, method) if request.init is not None else None
    weights = {stage.name: _weights(request, stage, start) for stage in method.stages}
    if not all(weights.values()):
        return None
    TrainingFolder(request.bundle.parent).make()
    return write_bundle(method, weights, request.bundle, _facts(request, start)).path


def _weights(request: TrainingRequest, stage: Stage, start: Bundle | None) -> list[dict[str, Tensor]]:
    """Return the models of `stage`; none when it has not been trained far enough, or nobody trains it."""
    if request.stage in (None, stage.name):
        folder = request.run_folder(stage.name)
        return [weights_of_stage(stage, folder)] if RunFolder(folder).best.is_file() else []
    return start.members(stage.name) if start is not None else []


def _facts(request: TrainingRequest, start: Bundle | None) -> dict[str, Any]:
    """Return what the card says of a training."""
    runs = view_training(request.output).runs
    scores = {run.stage: run.best.scores for run in runs if run.best is not None}
    cases = max(len(run.facts()["cases"]) for run in TrainingFolder(request.output).runs())
    before = f", from weights trained on {start.card.training_data}" if start is not None else ""
    limits = start.card.limits if start is not None else ""
    inherited = f" Started from weights with these limits: {limits}" if limits else ""
    trunk = f", the trunk from {request.trunk.name!r}" if request.trunk is not None else ""
    return {
        "training_data": f"{cases} case{'' if cases == 1 else 's'} of {Path(request.data).name!r}{before}{trunk}",
        "licence": UNKNOWN_LICENCE,
        "training": (dict(start.card.training) if start is not None else {}) | {r.stage: _training(r) for r in runs},
        "scores": {"held-out windows": scores} if scores else {},
        "limits": (LIMITS if scores else NOT_VALIDATED) + inherited,
    }


def _training(run: RunView) -> dict[str, int]:
    return {"epochs": len(run.epochs)} | ({"best epoch": run.best.epoch} if run.best is not None else {})


def _stage_folders(folder: Path) -> list[Path]:
    """Return the run folders of the stages in `folder`, that of a whole training; or `folder` itself."""
    return [run.path for run in TrainingFolder(folder).runs()] or [folder]


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
