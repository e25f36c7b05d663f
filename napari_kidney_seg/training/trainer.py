"""The only loop over epochs. Runs on Lightning Fabric; yields events; can be stopped and resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.core.events import EpochDone, Event, Progress
from napari_kidney_seg.training.schedules import SCHEDULES
from napari_kidney_seg.training.scores import dice_counts, predicted_classes
from napari_kidney_seg.training.task import MIXUP_STREAM, StageTask, WindowStream, mix

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
LOSS_MEMORY = 0.9  # of the running loss per case
GRADIENT_NORM = 12.0
LAST, BEST, LOG = "last.ckpt", "best.safetensors", "log.jsonl"


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """How a run is carried out; what is learned stands in the stage's recipe.

    Attributes
    ----------
    accelerator : ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``
    devices : int or ``"auto"``
    precision : ``"auto"``, ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"``
        Auto means bf16 on a GPU, and on a CPU that has bf16 instructions.
    workers : int
        Processes that prepare windows.
    validate_every : int
        Epochs between validations; the last epoch is always validated.
    resume : bool
        Go on from the run folder's last checkpoint where there is one.
    start_from : mapping of parameter name to tensor
        Weights to start with; parameters that are missing or of another shape start fresh.
    """

    accelerator: str = "auto"
    devices: int | str = 1
    precision: str = "auto"
    workers: int = 0
    validate_every: int = 1
    resume: bool = False
    start_from: dict[str, Tensor] = field(default_factory=dict)


def _precision(wanted: str, accelerator: str) -> Any:
    if wanted != "auto":
        return wanted
    if accelerator in ("cuda", "auto") and torch.cuda.is_available():
        return "bf16-mixed"
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return "bf16-mixed" if has_bf16 else "32-true"


class Trainer:
    """Trains one stage.

    Parameters
    ----------
    task : StageTask
    run_folder : Path
        Receives ``last.ckpt`` (everything needed to resume), ``best.safetensors`` (the weights that validated best)
        and ``log.jsonl`` (one event a line).
    options : TrainerOptions

    Raises
    ------
    DatasetError
        When there is no training case, or the run folder holds another run that was not asked to be resumed.
    """

    def __init__(self, task: StageTask, run_folder: Path, options: TrainerOptions | None = None) -> None:
        self.task, self.folder, self.options = task, run_folder, options or TrainerOptions()
        if not len(task.training):
            raise DatasetError("Found no training case; needed at least one. Give a folder with labelled cases.")
        if (run_folder / LAST).exists() and not self.options.resume:
            raise DatasetError(f"{str(run_folder)!r} holds a run already. Resume it, or choose an empty folder.")
        run_folder.mkdir(parents=True, exist_ok=True)
        accelerator = self.options.accelerator
        self.fabric = Fabric(
            accelerator=accelerator,
            devices=self.options.devices,
            precision=_precision(self.options.precision, accelerator),
        )
        self.fabric.launch()
        self.fabric.seed_everything(task.seed, verbose=False)
        recipe = task.stage.recipe
        network = task.stage.network(**task.stage.network_args)
        _start_from(network, self.options.start_from)
        optimizer = OPTIMIZERS[recipe.optimizer](
            network.parameters(),
            lr=recipe.learning_rate,  # type: ignore[call-arg]
            weight_decay=recipe.weight_decay,
        )
        self.network, self.optimizer = self.fabric.setup(network, optimizer)
        self.loss = recipe.loss()
        self.progress: dict[str, Any] = {"epoch": 0, "best": -1.0, "losses": {}, "seconds": 0.0}
        if self.options.resume and (run_folder / LAST).exists():
            self._resume()

    def run(self) -> Generator[Event, None, Path]:
        """Train the remaining epochs, yielding events, and return the path of the best weights."""
        epochs = self.task.stage.recipe.epochs
        for epoch in range(self.progress["epoch"], epochs):
            started = time.monotonic()
            loss = yield from self._train_epoch(epoch, epochs)
            scores = self._validate() if self._is_validated(epoch, epochs) else {}
            best = self._keep_best(scores)
            self.progress["epoch"] = epoch + 1
            self.progress["seconds"] += time.monotonic() - started
            self._save_last()
            left = self.progress["seconds"] / (epoch + 1) * (epochs - epoch - 1)
            event = EpochDone(
                stage=self.task.stage.name,
                epoch=epoch + 1,
                epochs=epochs,
                loss=loss,
                scores=scores,
                best=best,
                seconds_left=left,
            )
            self._log(event)
            yield event
        return self.folder / BEST

    def _train_epoch(self, epoch: int, epochs: int) -> Generator[Event, None, float]:
        batches = self._batches(epoch)
        rng = np.random.default_rng([self.task.seed, MIXUP_STREAM, epoch])
        self.network.train()
        total = 0.0
        for number, (images, targets, cases) in enumerate(batches):
            self._set_learning_rate((epoch + number / len(batches)) / epochs)
            total += self._step(images, targets, cases.tolist(), rng)
            fraction = (epoch + (number + 1) / len(batches)) / epochs
            yield Progress(stage=self.task.stage.name, done=number + 1, total=len(batches), fraction=fraction)
        return total / len(batches)

    def _batches(self, epoch: int) -> Any:
        losses = {int(case): loss for case, loss in self.progress["losses"].items()}
        stream = WindowStream(self.task, epoch, self.task.epoch_order(epoch, losses))
        loader = torch.utils.data.DataLoader(
            stream, batch_size=self.task.stage.recipe.batch, num_workers=self.options.workers
        )
        return self.fabric.setup_dataloaders(loader)

    def _step(self, images: Tensor, targets: Tensor, cases: list[int], rng: np.random.Generator) -> float:
        """Make one optimizer step and return the mean loss."""
        recipe = self.task.stage.recipe
        if recipe.mixup_alpha and len(images) > 1 and rng.random() < recipe.mixup_probability:
            images, partners, share = mix(images, recipe.mixup_alpha, rng)
            outputs = self.network(images)
            losses = share * self.loss(outputs, targets) + (1 - share) * self.loss(outputs, targets[partners])
        else:
            losses = self._losses(images, targets)
            self._remember(cases, losses.detach())
        self.optimizer.zero_grad()
        self.fabric.backward(losses.mean())
        # oneDNN's bf16 convolution now and then overflows at the smallest feature maps: such a step is left out.
        norm = self.fabric.clip_gradients(
            self.network, self.optimizer, max_norm=GRADIENT_NORM, error_if_nonfinite=False
        )
        if norm is not None and torch.isfinite(norm):
            self.optimizer.step()
        return float(losses.detach().mean())

    def _losses(self, images: Tensor, targets: Tensor) -> Tensor:
        joint_loss = self.task.stage.recipe.joint_loss
        return joint_loss(self.network, images, targets) if joint_loss else self.loss(self.network(images), targets)

    def _remember(self, cases: Iterable[int], losses: Tensor) -> None:
        """Update the running loss of each case."""
        for case, loss in zip(cases, losses.tolist(), strict=True):
            before = self.progress["losses"].get(case, loss)
            self.progress["losses"][case] = LOSS_MEMORY * before + (1 - LOSS_MEMORY) * loss

    def _set_learning_rate(self, done: float) -> None:
        recipe = self.task.stage.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * SCHEDULES[recipe.schedule](done)

    def _is_validated(self, epoch: int, epochs: int) -> bool:
        return (epoch + 1) % self.options.validate_every == 0 or epoch + 1 == epochs

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Return the Dice of each foreground class over all validation windows, and their mean."""
        self.network.eval()
        activation = self.task.stage.activation
        names = self.task.stage.classes[1:] if activation == "softmax" else self.task.stage.classes
        counts = torch.zeros(2, 1 + len(names), dtype=torch.float64)
        for batch in self.task.validation_batches():
            output = self.network(self.fabric.to_device(batch.images))
            counts += dice_counts(predicted_classes(output, activation).cpu(), batch.targets, 1 + len(names))
        scores = {
            f"dice_{name}": float(hits / size) if size else 1.0
            for name, hits, size in zip(names, counts[0, 1:], counts[1, 1:], strict=True)
        }
        return {**scores, "dice": float(np.mean(list(scores.values())))}

    def _keep_best(self, scores: dict[str, float]) -> bool:
        if not scores or scores["dice"] < self.progress["best"]:
            return False
        self.progress["best"] = scores["dice"]
        save_file({name: tensor.contiguous() for name, tensor in self._weights().items()}, self.folder / BEST)
        return True

    def _weights(self) -> dict[str, Tensor]:
        module: nn.Module = self.network.module
        return {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}

    def _save_last(self) -> None:
        temporary = self.folder / f"{LAST}.part"
        self.fabric.save(temporary, self._state())
        temporary.replace(self.folder / LAST)

    def _resume(self) -> None:
        state = self._state()
        self.fabric.load(self.folder / LAST, state)
        self.progress = state["progress"]

    def _state(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer, "progress": self.progress}

    def _log(self, event: EpochDone) -> None:
        line = json.dumps({"event": "epoch", "time": time.time(), **asdict(event)})
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _start_from(network: nn.Module, weights: dict[str, Tensor]) -> None:
    own = network.state_dict()
    fitting = {name: tensor for name, tensor in weights.items() if name in own and own[name].shape == tensor.shape}
    network.load_state_dict(fitting, strict=False)


def best_weights(run_folder: Path) -> dict[str, Tensor]:
    """Return the best weights of the run in `run_folder`.

    Raises
    ------
    DatasetError
        When the run has none yet.
    """
    path = run_folder / BEST
    if not path.is_file():
        raise DatasetError(f"{str(run_folder)!r} holds no trained weights ({BEST}). Train the stage first.")
    return load_file(path)
