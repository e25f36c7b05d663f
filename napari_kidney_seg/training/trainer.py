"""The only loop over epochs. Runs on Lightning Fabric; yields events; can be stopped and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.core.events import EpochDone, Event, Progress
from napari_kidney_seg.training.class_weights import measure_class_weights
from napari_kidney_seg.training.fabric import make_fabric
from napari_kidney_seg.training.optimizers import make_optimizer
from napari_kidney_seg.training.run_folder import RunFolder, StepDone, StepNotes
from napari_kidney_seg.training.schedules import SCHEDULES
from napari_kidney_seg.training.scores import class_scores, dice_counts, predicted_classes
from napari_kidney_seg.training.starting_weights import start_from
from napari_kidney_seg.training.task import MIXUP_STREAM, StageTask, WindowStream, mix

LOSS_MEMORY = 0.9  # of the running loss per case


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """How a run is carried out; what is learned stands in the stage's recipe.

    Attributes
    ----------
    device : ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``
        The fastest there is, or this one.
    processes : int
        More than one train on as many cards, or share the CPU.
    precision : ``"auto"``, ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"``
        Auto means bf16 on a CUDA card, float16 on one that cannot, bf16 on a CPU that has the instructions.
    workers : int
        Processes that prepare windows.
    validate_every : int
        Epochs between validations; the last epoch is always validated.
    resume : bool
        Go on from the run folder's last checkpoint where there is one.
    start_from : mapping of parameter name to tensor
        Weights to start with, as far as `starting_weights.start_from` can use them.
    channels_last : bool
        Keep 3D feature maps with their channels innermost: on a CPU 40 % faster for (3, 3, 3) kernels, slower for
        (1, 3, 3).
    """

    device: str = "auto"
    processes: int = 1
    precision: str = "auto"
    workers: int = 0
    validate_every: int = 1
    resume: bool = False
    start_from: dict[str, Tensor] = field(default_factory=dict)
    channels_last: bool = False


class Trainer:
    """Trains one stage.

    Parameters
    ----------
    task : StageTask
    run_folder : Path
        Receives what `run_folder.RunFolder` lists.
    options : TrainerOptions

    Raises
    ------
    DatasetError
        When there is no training case, the run folder holds a run that was not asked to be resumed, or the run to be
        resumed was started with another stage or other cases, or its checkpoint is damaged.
    KidneySegError
        When this machine does not have the device.
    """

    def __init__(self, task: StageTask, run_folder: Path, options: TrainerOptions | None = None) -> None:
        self.task, self.folder, self.options = task, RunFolder(run_folder), options or TrainerOptions()
        if not len(task.training):
            raise DatasetError("Found no training case; needed at least one. Give a folder with labelled cases.")
        if self.folder.last.exists() and not self.options.resume:
            raise DatasetError(f"{str(run_folder)!r} holds a run already. Resume it, or choose an empty folder.")
        run_folder.mkdir(parents=True, exist_ok=True)
        self._notes = StepNotes(self.folder)
        options = self.options
        self.fabric, self._scales = make_fabric(options.device, options.processes, options.precision)
        self.fabric.seed_everything(task.seed, verbose=False)
        recipe = task.stage.recipe
        network = task.stage.network(**task.stage.network_args)
        start_from(network, self.options.start_from)
        if self.options.channels_last:
            network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.network, self.optimizer = self.fabric.setup(network, make_optimizer(network, recipe))
        unseen = torch.full((len(task.training),), torch.nan)
        self.progress: dict[str, Any] = {"epoch": 0, "best": -1.0, "losses": unseen, "seconds": 0.0}
        if self.folder.last.exists():
            self._resume()
        elif self.fabric.is_global_zero:
            self.folder.begin(task)
        self.loss = self._loss_in(self.progress["epoch"])

    def run(self) -> Generator[Event, None, Path]:
        """Train the remaining epochs, yielding events, and return the path of the best weights."""
        yield from self._weigh_classes()
        epochs = self.task.stage.recipe.epochs
        for epoch in range(self.progress["epoch"], epochs):
            started = time.monotonic()
            loss = yield from self._train_epoch(epoch, epochs)
            scores = self._validate() if self._is_validated(epoch, epochs) else None
            best = scores is not None and self._keep_best(scores)
            self.progress["epoch"] = epoch + 1
            self.progress["seconds"] += time.monotonic() - started
            self._save_last()
            left = self.progress["seconds"] / (epoch + 1) * (epochs - epoch - 1)
            event = EpochDone(
                stage=self.task.stage.name,
                epoch=epoch + 1,
                epochs=epochs,
                loss=loss,
                scores=scores or {},
                best=best,
                seconds_left=left,
            )
            if self.fabric.is_global_zero:
                self.folder.log(event)
            yield event
        return self.folder.best

    def _weigh_classes(self) -> Generator[Event, None, None]:
        """Give the loss the class weights of the training cases where the recipe asks for them; measured once a run."""
        weighted_loss = self.task.stage.recipe.weighted_loss
        if weighted_loss is None:
            return
        if not self.progress["epoch"]:  # a run that goes on keeps what it began with
            weights = yield from measure_class_weights(self.task.training, self.task.stage)
            self.progress["class_weights"] = weights
            if self.fabric.is_global_zero:
                self.folder.add_fact("class_weights", weights)

    def _loss_in(self, epoch: int) -> Callable[..., Tensor]:
        """Return the loss of `epoch`, with the class weights that were measured."""
        recipe = self.task.stage.recipe
        if recipe.weighted_loss is not None and "class_weights" in self.progress:
            return recipe.weighted_loss(self.progress["class_weights"])
        return recipe.loss_in(epoch)()

    def _train_epoch(self, epoch: int, epochs: int) -> Generator[Event, None, float]:
        batches = self._batches(epoch)
        rng = np.random.default_rng([self.task.seed, MIXUP_STREAM, epoch])
        self.loss = self._loss_in(epoch)
        self.network.train()
        torch.manual_seed(self.task.seed + epoch)  # what a network draws while it trains is the same after resuming
        losses, started = [], time.monotonic()
        for number, (images, targets, cases) in enumerate(batches):
            self._set_learning_rate((epoch + number / len(batches)) / epochs)
            losses.append(self._step(images, targets, cases.tolist(), rng))
            fraction = (epoch + (number + 1) / len(batches)) / epochs
            done = Progress(stage=self.task.stage.name, done=number + 1, total=len(batches), fraction=fraction)
            self._note_step(done, epoch, time.monotonic() - started)
            yield done
        self._share_running_losses()
        finite = [loss for loss in losses if np.isfinite(loss)]
        return float(np.mean(finite)) if finite else float("inf")

    def _note_step(self, done: Progress, epoch: int, seconds: float) -> None:
        """Let others follow the run, `seconds` after the epoch began."""
        if self.fabric.is_global_zero:
            spent = self.progress["seconds"] + seconds
            self._notes.note(
                StepDone(
                    epoch=epoch + 1,
                    epochs=self.task.stage.recipe.epochs,
                    step=done.done,
                    steps=done.total,
                    fraction=done.fraction,
                    seconds_left=spent / done.fraction * (1 - done.fraction),
                )
            )

    def _batches(self, epoch: int) -> Any:
        seen = torch.nonzero(torch.isfinite(self.progress["losses"])).flatten().tolist()
        losses = {case: float(self.progress["losses"][case]) for case in seen}
        stream = WindowStream(self.task, epoch, self.task.epoch_order(epoch, losses))
        loader = torch.utils.data.DataLoader(
            stream, batch_size=self.task.stage.recipe.batch, num_workers=self.options.workers
        )
        return self.fabric.setup_dataloaders(loader)

    def _step(self, images: Tensor, targets: Tensor, cases: list[int], rng: np.random.Generator) -> float:
        """Make one optimizer step and return the mean loss."""
        recipe = self.task.stage.recipe
        before = [buffer.clone() for buffer in self.network.buffers()]
        if recipe.mixup_alpha and len(images) > 1 and rng.random() < recipe.mixup_probability:
            images, partners, share = mix(images, recipe.mixup_alpha, rng)
            outputs = self.network(images)
            losses = share * self.loss(outputs, targets) + (1 - share) * self.loss(outputs, targets[partners])
        else:
            losses = self._losses(images, targets)
            self._remember(cases, losses.detach())
        self.optimizer.zero_grad()
        self.fabric.backward(losses.mean())
        # oneDNN's bf16 convolution now and then overflows at the smallest feature maps: such a step is left out, and
        # what batch norms remember of it, or they would answer NaN ever after.
        norm = self.fabric.clip_gradients(
            self.network, self.optimizer, max_norm=recipe.gradient_norm, error_if_nonfinite=False
        )
        is_sound = norm is None or bool(torch.isfinite(norm))
        if self._scales or is_sound:  # a gradient scaler leaves it out by itself
            self.optimizer.step()
        if not is_sound:
            for buffer, value in zip(self.network.buffers(), before, strict=True):
                buffer.copy_(value)
        return float(losses.detach().mean())

    def _losses(self, images: Tensor, targets: Tensor) -> Tensor:
        joint_loss = self.task.stage.recipe.joint_loss
        return joint_loss(self.network, images, targets) if joint_loss else self.loss(self.network(images), targets)

    def _remember(self, cases: Iterable[int], losses: Tensor) -> None:
        """Update the running loss of each case."""
        running = self.progress["losses"]
        for case, loss in zip(cases, losses.tolist(), strict=True):
            if np.isfinite(loss):
                before = float(running[case]) if torch.isfinite(running[case]) else loss
                running[case] = LOSS_MEMORY * before + (1 - LOSS_MEMORY) * loss

    def _share_running_losses(self) -> None:
        """Let every process know the running losses of the cases the others saw."""
        if self.fabric.world_size > 1:
            gathered: Any = self.fabric.all_gather(self.fabric.to_device(self.progress["losses"]))
            self.progress["losses"] = torch.nanmean(gathered, dim=0).cpu()

    def _set_learning_rate(self, done: float) -> None:
        recipe = self.task.stage.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * SCHEDULES[recipe.schedule](done)

    def _is_validated(self, epoch: int, epochs: int) -> bool:
        return (epoch + 1) % self.options.validate_every == 0 or epoch + 1 == epochs

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Return the Dice of each foreground class there is in the validation windows, and their mean."""
        if not len(self.task.validation):
            return {}
        self.network.eval()
        activation = self.task.stage.activation
        names = self.task.stage.classes[1:] if activation == "softmax" else self.task.stage.classes
        counts = torch.zeros(3, 1 + len(names), dtype=torch.float64)
        for batch in self.task.validation_batches():
            output = self.network(self.fabric.to_device(batch.images))
            counts += dice_counts(predicted_classes(output, activation).cpu(), batch.targets, 1 + len(names))
        return class_scores(counts, names)

    def _keep_best(self, scores: dict[str, float]) -> bool:
        """Keep the weights when no earlier ones scored higher, or there is nothing to compare."""
        is_best = bool(scores) and scores["dice"] >= self.progress["best"]
        if is_best:
            self.progress["best"] = scores["dice"]
        if (is_best or not scores) and self.fabric.is_global_zero:
            self.folder.save_best(self._weights())
        return is_best

    def _weights(self) -> dict[str, Tensor]:
        module: nn.Module = self.network.module
        return {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}

    def _save_last(self) -> None:
        temporary = self.folder.last.with_suffix(".part")
        try:
            self.fabric.save(temporary, self._state())
        except OSError:
            temporary.unlink(missing_ok=True)  # half a checkpoint would keep a full disk full
            raise
        if self.fabric.is_global_zero:
            temporary.replace(self.folder.last)
        self.fabric.barrier()

    def _resume(self) -> None:
        self.folder.check(self.task)
        state = self._state()
        try:
            self.fabric.load(self.folder.last, state, weights_only=True)
        except (RuntimeError, UnpicklingError, EOFError, KeyError, ValueError) as error:
            raise self.folder.damaged_checkpoint(error) from error
        self.progress = state["progress"]

    def _state(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer, "progress": self.progress}
