"""Fake methods whose networks read the answer from marked intensities: what is tested is all around them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.method import Method, Paper, Stage
from napari_kidney_seg.core.recipe import Recipe
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.inference.cascade import CascadeResult, run_cascade
from napari_kidney_seg.inference.fusion import mask_of, masked_argmax
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.inference.regions import WholeScan

HU = {"body": 0, "kidney": 200, "tumor": 300, "cyst": 400}
SCALED = {name: value / 1000 for name, value in HU.items()}  # after Window(-1000, 1000) -> (-1, 1)
CERTAIN = 20.0  # score
RECIPE = Recipe(sampler=lambda: None, target=lambda labels: labels, loss=lambda: None)
PAPER = Paper(authors="A", title="T", venue="V", url="U", challenge="KiTS23")
TORCH = RunOptions(device="cpu", engine="torch")


class Oracle(nn.Module):
    """Scores that say which of `levels` a voxel is closest to; the gain fakes a trained parameter.

    A class may have several levels, any of which will do.
    """

    def __init__(self, levels: tuple[float | tuple[float, ...], ...]) -> None:
        super().__init__()
        self.levels = levels
        self.gain = nn.Parameter(torch.tensor(CERTAIN * 20))

    def forward(self, windows: Tensor) -> Tensor:
        return torch.cat([-self.gain * self._distance(windows, level) for level in self.levels], dim=1)

    def _distance(self, windows: Tensor, level: float | tuple[float, ...]) -> Tensor:
        levels = level if isinstance(level, tuple) else (level,)
        scan = windows[:, :1]  # guides, where there are any, come after it
        return torch.stack([(scan - one).abs() for one in levels]).amin(dim=0)


@dataclass
class FakeBundle:
    """Weights for the oracles of `method`; remembers which stages asked for theirs."""

    method: Method
    members_per_stage: int = 1
    sha256: str = ""
    warning: str = ""
    asked: list[str] = field(default_factory=list)

    def members(self, stage_name: str) -> list[dict[str, Tensor]]:
        self.asked.append(stage_name)
        stage = self.method.stage(stage_name)
        return [stage.network(**stage.network_args).state_dict() for _ in range(self.members_per_stage)]


def oracle_stage(name: str, classes: dict[str, float], **changes: object) -> Stage:
    """A stage whose classes are told apart by normalized intensity; `changes` go to `Stage`."""
    settings = {
        "region": WholeScan(),
        "intensity": (Window(low=-1000, high=1000, to_low=-1, to_high=1),),
        "window": (8, 16, 16),
    }
    return Stage(
        name=name,
        title=name,
        classes=tuple(classes),
        network=Oracle,
        network_args={"levels": tuple(classes.values())},
        recipe=RECIPE,
        **(settings | changes),
    )


# A kidney is anything brighter than halfway from body to kidney; masses are brighter still.
ORGAN = {"background": SCALED["body"], "kidney": SCALED["kidney"]}
LESION = {"kidney": SCALED["kidney"], "cyst": SCALED["cyst"], "tumor": SCALED["tumor"]}


def organ_only(outputs, geometry):
    """Fuse a single organ stage: kidney where it says so."""
    (output,) = outputs.values()
    return (yield from mask_of(output, geometry)).astype(np.uint8)


def fuse_three(outputs, geometry):
    """Fuse kidney and lesion stages as resunet-2.5d does with three classes."""
    return masked_argmax(outputs["kidney"], outputs["lesion"], geometry, (1, 3, 2))


def method_of(*stages: Stage, fuse=fuse_three, **changes: object) -> Method:
    return Method(name="oracle", title="Oracle", idea="", paper=PAPER, stages=stages, fuse=fuse, **changes)


def two_kidneys() -> np.ndarray:
    """Return canonical labels (Z, Y, X): the right kidney with a tumor, the left one with a cyst; not symmetric."""
    mask = np.zeros((20, 36, 44), np.uint8)
    mask[4:14, 10:20, 6:15] = 1
    mask[6:17, 12:23, 28:36] = 1
    mask[6:10, 12:16, 9:14] = 2
    mask[8:12, 14:18, 30:35] = 3
    return mask


def scan_of(labels: np.ndarray, spacing: tuple[float, float, float] = (2.0, 1.5, 1.5)) -> Volume:
    values = np.array([HU["body"], HU["kidney"], HU["tumor"], HU["cyst"]], np.int16)[labels]
    values[:, :3] = values[:, -3:] = -1000
    return Volume(array=values, geometry=Geometry.from_spacing(labels.shape, spacing), name="fake")


def finished(run) -> tuple[list[object], CascadeResult]:
    """Return all events of a generator, and its result."""
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as stop:
            return events, stop.value


def segment(scan: Volume, method: Method, options: RunOptions = TORCH, **arguments: object) -> CascadeResult:
    """Run a method of oracles; return its result."""
    return finished(run_cascade(scan, method, FakeBundle(method), options=options, **arguments))[1]


def codes(notices) -> list[str]:
    return [notice.code for notice in notices]
