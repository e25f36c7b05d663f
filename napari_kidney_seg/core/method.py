"""What a cascade is: a method is stages and a fusion, a stage is a network and how its input is cut from the scan.

Nothing here runs anything. `inference.cascade` runs a method, `training.task` trains a stage; both read these records.
Networks and losses are given as functions that import torch when called, so that reading a method costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.averaging import Averaging
from napari_kidney_seg.core.errors import KidneySegError, UnknownMethodError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.geometry import Box, Geometry, Shape, Spacing
from napari_kidney_seg.core.grid import AS_STORED, FittedGrid, WorkingGrid
from napari_kidney_seg.core.guide import Guide
from napari_kidney_seg.core.labels import KITS, LabelSchema
from napari_kidney_seg.core.recipe import Recipe

if TYPE_CHECKING:
    import torch


class IntensityStep(Protocol):
    """A step from Hounsfield units towards network input."""

    def __call__(self, array: NDArray[np.float32], spacing: Spacing) -> NDArray[np.float32]:
        """Return `array` (Z, Y, X) after this step; `spacing` in mm."""

    def map_value(self, value: float) -> float:
        """Return what a constant region of `value` becomes: from it follows the value to pad with."""


class RegionRule(Protocol):
    """Where in the scan a stage looks."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the stage outputs the rule reads; those that exist are used."""

    def boxes(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Box, ...]:
        """Return the boxes on the scan's grid `geometry`; none when nothing was found."""


@runtime_checkable
class RemarkingRule(Protocol):
    """A region rule that has something to say about its choice."""

    def notices(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Notice, ...]:
        """Return what a person should know about the boxes on the scan's grid `geometry`, and those left out."""


class Cleaning(Protocol):
    """A rule on connected components."""

    def __call__(self, mask: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.bool_]:
        """Return `mask` (Z, Y, X) without the components the rule removes; `spacing` in mm."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionOutput:
    """What a network said about one region.

    Attributes
    ----------
    box : Box
        The region on the scan's own canonical grid.
    probabilities : shape (C, z, y, x), float16 or float32, 0..1
        On the working grid; the region's physical box divided evenly.
    """

    box: Box
    probabilities: NDArray[Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class StageOutput:
    """The output of one stage, from its network or given by a person.

    Attributes
    ----------
    stage : str
    classes : names of the C channels; index 0 is the background of the stage unless the stage has none
    regions : tuple of RegionOutput
        Empty when nothing was found.
    given : bool
        Drawn or corrected by a person, not predicted.
    """

    stage: str
    classes: tuple[str, ...]
    regions: tuple[RegionOutput, ...] = ()
    given: bool = False

    @classmethod
    def from_mask(cls, stage: str, classes: tuple[str, ...], mask: NDArray[Any]) -> StageOutput:
        """Return the output that a two-class stage would have given for a mask (Z, Y, X) on the scan's grid."""
        where = np.nonzero(mask)
        if not len(where[0]):
            return cls(stage=stage, classes=classes, given=True)
        box = Box(start=tuple(int(w.min()) for w in where), stop=tuple(int(w.max()) + 1 for w in where))  # type: ignore[arg-type]
        inside = mask[box.slices] != 0
        region = RegionOutput(box=box, probabilities=np.stack([~inside, inside]).astype(np.float16))
        return cls(stage=stage, classes=classes, regions=(region,), given=True)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One network of a cascade and everything that surrounds it.

    Attributes
    ----------
    name : str
        Also the name of its output, e.g. ``"kidney"``.
    title : str
        For people, e.g. ``"Kidney ResUNet"``.
    classes : tuple of str
        Channels of its output.
    network : callable (**network_args) -> torch.nn.Module
    network_args : mapping
        Plain values; stored in the bundle's card and checked on loading.
    requires : names of earlier stages whose output must exist before this one runs
    guides : tuple of Guide
        Of stages in `requires`; further channels of the network's input after the CT.
    region : RegionRule
    grid : WorkingGrid or FittedGrid
    intensity : tuple of IntensityStep
    window : (z, y, x) voxels of the working grid given to the network at once
    divisor : (z, y, x) voxels, or None
        None slides windows over the region. Else the network sees each region whole, padded to multiples of this, and
        `window` is only what training cuts.
    overlap : (z, y, x) share of a window that the next one repeats, 0..1
    blending : ``"constant"`` or ``"gaussian"`` weights of overlapping windows
    mirrors : axes to flip together (0 z, 1 y, 2 x), one prediction for each; the plain one is always made
    activation : ``"softmax"`` or ``"sigmoid"``
    cleaning : Cleaning or None; applied to the foreground (everything but channel 0) on the working grid
    recipe : Recipe

    Raises
    ------
    KidneySegError
        When a guide is of a stage that is not required.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    network: Callable[..., torch.nn.Module]
    network_args: Mapping[str, Any]
    requires: tuple[str, ...] = ()
    guides: tuple[Guide, ...] = ()
    region: RegionRule
    grid: WorkingGrid | FittedGrid = AS_STORED
    intensity: tuple[IntensityStep, ...]
    window: Shape
    divisor: Shape | None = None
    overlap: tuple[float, float, float] = (0.5, 0.5, 0.5)
    blending: str = "gaussian"
    mirrors: tuple[tuple[int, ...], ...] = ()
    activation: str = "softmax"
    cleaning: Cleaning | None = None
    recipe: Recipe

    def __post_init__(self) -> None:
        for guide in self.guides:
            if guide.source not in self.requires:
                raise KidneySegError(
                    f"Stage {self.name!r} is guided by {guide.source!r}; it requires {self.requires!r}. Add that stage."
                )

    @property
    def channels(self) -> int:
        """Channels of the network's input: the CT and the guides."""
        return 1 + len(self.guides)

    def normalize(self, array: NDArray[Any], spacing: Spacing) -> NDArray[np.float32]:
        """Return HU `array` (Z, Y, X) as network input."""
        result = np.asarray(array, np.float32)
        for step in self.intensity:
            result = step(result, spacing)
        return result

    def window_for(self, working: Shape) -> Shape:
        """Return the voxels that the network sees at once of a region with `working` (z, y, x) voxels."""
        if self.divisor is None:
            return self.window
        return tuple(-(-n // d) * d for n, d in zip(working, self.divisor, strict=True))  # type: ignore[return-value]

    @property
    def pad_value(self) -> float:
        """What air becomes under `intensity`: the value to pad with after it."""
        value = -1024.0
        for step in self.intensity:
            value = step.map_value(value)
        return value


# Yields the slices it has come to, and what a person should know; returns the labels.
FusionSteps = Generator[int | Notice, None, NDArray[np.uint8]]
Fusion = Callable[[Mapping[str, StageOutput], Geometry], FusionSteps]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """Where a method was published."""

    authors: str
    title: str
    venue: str
    url: str
    challenge: str


@dataclass(frozen=True, kw_only=True)
class Method:
    """A published cascade.

    Attributes
    ----------
    name : as typed on the command line, e.g. ``"resunet-2.5d"``
    title, idea : for people, a name and the cascade in one or two sentences
    paper : Paper
    schema : LabelSchema
    classes : label names the method can find; KiTS19 methods know no cyst
    stages : tuple of Stage
        In order of running.
    fuse : callable (outputs by stage name, geometry of the scan) -> generator
        Returns labels, uint8 (Z, Y, X) on the scan's grid; yields after every few slices, and notices.
    fuses : names of the stages whose output `fuse` reads; empty when those are the ones that no other stage requires
    averagings : choices of how many predictions are averaged, where a person has one
    presets : mapping of preset name to function Method -> Method
        Change sizes, and what few training steps need, never the stages; ``"paper"`` and ``"compact"`` always exist.
    preset : the preset this record has now
    """

    name: str
    title: str
    idea: str
    paper: Paper
    schema: LabelSchema = KITS
    classes: tuple[str, ...] = ("kidney", "tumor", "cyst")
    stages: tuple[Stage, ...]
    fuse: Fusion
    fuses: tuple[str, ...] = ()
    averagings: tuple[Averaging, ...] = ()
    presets: Mapping[str, Callable[[Method], Method]] = field(default_factory=dict)
    preset: str = "paper"

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the stages whose output `fuse` reads."""
        required = {name for stage in self.stages for name in stage.requires}
        return self.fuses or tuple(stage.name for stage in self.stages if stage.name not in required)

    def stage(self, name: str) -> Stage:
        """Return the stage called `name`.

        Raises
        ------
        UnknownMethodError
            When the method has no such stage.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        names = ", ".join(repr(stage.name) for stage in self.stages)
        raise UnknownMethodError(f"Method {self.name!r} has no stage {name!r}. Choose one of {names}.")

    def with_preset(self, name: str) -> Method:
        """Return the method with the sizes of preset `name`.

        Raises
        ------
        UnknownMethodError
            When there is no such preset.
        """
        if name not in self.presets:
            names = ", ".join(repr(preset) for preset in self.presets)
            raise UnknownMethodError(f"Method {self.name!r} has no preset {name!r}. Choose one of {names}.")
        return replace(self.presets[name](self), preset=name)
