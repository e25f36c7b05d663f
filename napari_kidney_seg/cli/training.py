"""Training a stage or a whole method, recorded in its folder so that others can follow, stop and resume it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from napari_kidney_seg.cli.bundling import bundle_training
from napari_kidney_seg.cli.console import follow
from napari_kidney_seg.cli.starting import check_trunk, start_weights
from napari_kidney_seg.core.device import choose_device
from napari_kidney_seg.core.errors import DatasetError, UnwritableImageError, error_text
from napari_kidney_seg.core.events import Event, Notice, Progress
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.io.models import new_bundle_path
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.dataset import Dataset, open_dataset
from napari_kidney_seg.training.request import SPLIT_SEED, VALIDATION_SHARE, TrainingRequest, training_name
from napari_kidney_seg.training.run_folder import RunFolder
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions
from napari_kidney_seg.training.training_folder import Outcome, State, TrainingFolder

NOTHING_TRAINED = "Nothing was trained yet; --resume starts from the beginning."
FULL = (errno.ENOSPC, errno.EDQUOT)
LITTLE_SPACE = 10 * 2**20  # bytes; with less left, whatever failed is the fault of the disk


def train(request: TrainingRequest, console: Console, *, resume: bool = False) -> Outcome:
    """Train until the end, or until somebody asks the folder to stop, and return the outcome.

    Parameters
    ----------
    request : TrainingRequest
    console : Console
    resume : bool
        Go on from the last checkpoint in the folder; what the request leaves open is as it was before.

    Raises
    ------
    UnknownMethodError
        When method, preset or stage does not exist.
    DatasetError
        When there is no labeled case, the folder holds another run or is being trained in, or its disk is full.
    UnwritableImageError
        When the folder cannot be written, or the bundle would replace another one.
    KidneySegError
        When the trunk to start from does not fit, or this machine does not have the device.
    """
    method = get_method(request.method, request.preset)
    stages = (method.stage(request.stage),) if request.stage else method.stages
    choose_device(request.device)
    folder = TrainingFolder(request.output)
    request = folder.check(request, resume=resume)
    if not resume:
        check_trunk(request, stages)
    if request.bundle is None:
        name = training_name(method.name, method.preset, request.stage, datetime.now().astimezone())
        request = replace(request, bundle=new_bundle_path(name))
    folder.make()
    folder.begin(request)
    with _telling_of_failure(folder), _naming_a_full_disk(request.output), _taking_leave(folder, console):
        outcome = follow(_train(request, stages, resume=resume), f"train {method.name}", console)
        outcome = replace(outcome, bundle=bundle_training(request, method))
        folder.end(outcome)
    for line in _conclusion(outcome, request):
        console.print(escape(line))
    return outcome


def _train(request: TrainingRequest, stages: tuple[Stage, ...], *, resume: bool) -> Generator[Event, None, Outcome]:
    """Train `stages` one after the other; yield their events and return how it ended."""
    cases = open_dataset(request.data, request.output / "cache")
    if resume and all(_has_all_epochs(request, stage) for stage in stages):
        text = "All epochs were trained before; nothing is left to do. Give a higher --epochs to go on."
        yield Notice(code="trained_already", text=text, level="info")
    for number, stage in enumerate(stages):
        events = _train_stage(request, stage, cases, _options(request, stage, resume=resume))
        if (yield from _until_stop(events, TrainingFolder(request.output), part=(number, len(stages)))):
            return Outcome(state=State.STOPPED)
    return Outcome(state=State.FINISHED)


def _has_all_epochs(request: TrainingRequest, stage: Stage) -> bool:
    wanted = request.epochs or stage.recipe.epochs
    return len(RunFolder(request.run_folder(stage.name)).epochs()) >= wanted


def _options(request: TrainingRequest, stage: Stage, *, resume: bool) -> TrainerOptions:
    """Return how `stage` is trained; a run that goes on has weights already."""
    goes_on = resume and RunFolder(request.run_folder(stage.name)).last.is_file()
    start = {} if goes_on else start_weights(request, stage)
    return TrainerOptions(device=request.device, resume=resume, start_from=start)


def _train_stage(
    request: TrainingRequest, stage: Stage, cases: Dataset, options: TrainerOptions
) -> Generator[Event, None, None]:
    if request.epochs is not None:
        stage = replace(stage, recipe=replace(stage.recipe, epochs=request.epochs))
    parts = cases.split(VALIDATION_SHARE, SPLIT_SEED)  # before cases are left out: the same for every method
    training, validation = (part.without(stage.recipe.excluded_cases) for part in parts)
    yield _cases_notice(len(training), len(validation))
    if request.trunk is not None and options.start_from:
        text = f"The trunk starts from the {len(options.start_from)} tensors of {request.trunk.name!r}."
        yield Notice(code="trunk", text=text, level="info")
    task = StageTask(stage=stage, training=training, validation=validation)
    run = request.run_folder(stage.name)
    trainer = Trainer(task, run, options)
    if request.stage is None:  # so that each stage can also be looked at, resumed or bundled by itself
        TrainingFolder(run).record_request(replace(request, stage=stage.name, output=run, bundle=None))
    yield from trainer.run()


def _cases_notice(training: int, validation: int) -> Notice:
    text = f"{training} case{'' if training == 1 else 's'} to train on, {validation} to validate on."
    if validation:
        return Notice(code="cases", text=text, level="info")
    return Notice(
        code="not_validated",
        text=(
            f"{text} Nothing will be known of how good the model is: the weights of the last epoch are kept, and it "
            "does not take the place of a measured one. Give at least two patients."
        ),
    )


def _until_stop(
    events: Generator[Event, None, None], folder: TrainingFolder, part: tuple[int, int]
) -> Generator[Event, None, bool]:
    """Yield the events of a stage until somebody asks to stop, and return whether somebody did.

    Parameters
    ----------
    events : generator
    folder : TrainingFolder
    part : (number, count)
        Of this stage, counted from 0, among those to train.
    """
    with closing(events):
        for event in events:
            yield (
                replace(event, fraction=(part[0] + event.fraction) / part[1]) if isinstance(event, Progress) else event
            )
            if folder.is_stop_asked:
                return True
    return False


def _conclusion(outcome: Outcome, request: TrainingRequest) -> list[str]:
    """Return what to tell a person at the end."""
    said = ["Stopped; the best weights so far are kept. Go on with --resume."] if outcome.state is State.STOPPED else []
    if outcome.bundle is not None:
        return [*said, f"Wrote {outcome.bundle}"]
    best = [str(run.best) for run in TrainingFolder(request.output).runs() if run.best.is_file()]
    return [*said, *(f"Best weights: {path}" for path in best)]


@contextmanager
def _telling_of_failure(folder: TrainingFolder) -> Iterator[None]:
    """Record in `folder` why the block ended early, for whoever follows it."""
    try:
        yield
    except BaseException as error:
        outcome = Outcome(state=State.FAILED, text=error_text(error))
        if isinstance(error, KeyboardInterrupt):
            outcome = Outcome(state=State.STOPPED)
        with suppress(UnwritableImageError):  # the reason itself must not get lost
            folder.end(outcome)
        raise


@contextmanager
def _taking_leave(folder: TrainingFolder, console: Console) -> Iterator[None]:
    """Say what is kept when a person interrupts the block."""
    try:
        yield
    except KeyboardInterrupt:
        kept = "What was trained up to the last finished epoch is kept; go on with --resume."
        console.print(f"Interrupted. {kept if folder.has_checkpoint else NOTHING_TRAINED}")
        raise


@contextmanager
def _naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Say so when the block failed because the disk of `folder` is full; the libraries say it in many ways."""
    try:
        yield
    except Exception as error:
        if not _is_full(error, folder):
            raise
        raise DatasetError(
            f"The disk of {str(folder)!r} is full. What was trained up to the last epoch is kept. Free some space, for "
            "the cases too, which are kept uncompressed, and resume."
        ) from error


def _is_full(error: Exception, folder: Path) -> bool:
    return any(os.strerror(code) in str(error) for code in FULL) or shutil.disk_usage(folder).free < LITTLE_SPACE
