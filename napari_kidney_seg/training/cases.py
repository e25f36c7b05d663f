"""What training learns from: cases in memory, on disk, and rendered from a seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg import __version__
from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.io.images import read_labels, read_volume
from napari_kidney_seg.phantom.analytic import analytic_labels
from napari_kidney_seg.phantom.render import render_phantom

FOUND_PREFIX = "found_"  # of the mask beside a KiTS case of what a stage found in it; the stage's name follows
GEOMETRY_TOLERANCE_MM = 0.1
CASE_NAME = re.compile(r"case_[^_]+")
MOST_LESIONS = 2  # tumors, and cysts, in an analytic phantom


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A case in memory.

    Attributes
    ----------
    name : str
    scan : Volume
        Canonical, HU; its array may be a read-only memory map.
    labels : shape (Z, Y, X), uint8
        KiTS ids on the scan's grid.
    found : masks (Z, Y, X) on the same grid, uint8, by the name of the stage that found them
        Shown in training to the stages which that stage guides, in place of the reference.
    """

    name: str
    scan: Volume
    labels: NDArray[np.uint8]
    found: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


class CaseSource(Protocol):
    """Where a case comes from: files, or a phantom that is rendered."""

    @property
    def name(self) -> str:
        """Name of the case."""

    @property
    def key(self) -> str:
        """What changes whenever the case does: where a cache keeps it follows from this."""

    @property
    def group(self) -> str:
        """The patient: cases of one group are never split between training and validation."""

    def read(self) -> Case:
        """Return the case, canonical."""


@dataclass(frozen=True, kw_only=True)
class CaseFiles:
    """A case of an image and a mask file, and mask files of what stages found in it."""

    name: str
    image: Path
    mask: Path
    found: tuple[Path, ...] = ()

    @property
    def key(self) -> str:
        """Where the files lie, their sizes and times of change."""
        return " ".join(map(_stamp, (self.image, self.mask, *self.found)))

    @property
    def group(self) -> str:
        """``case_00000`` of ``case_00000`` and of ``case_00000_anything``; else the name."""
        known = CASE_NAME.match(self.name)
        return known.group() if known else self.name

    def read(self) -> Case:
        """Return the case, canonical.

        Raises
        ------
        DatasetError
            When image and masks do not share a grid.
        """
        scan = read_volume(self.image)
        found = {path.name.split(".")[0].removeprefix(FOUND_PREFIX): self._mask(path, scan) for path in self.found}
        return Case(name=self.name, scan=scan, labels=self._mask(self.mask, scan), found=found)

    def _mask(self, path: Path, scan: Volume) -> NDArray[np.uint8]:
        """Return the labels in a file, on the grid of `scan`."""
        labels = read_labels(path)
        if not scan.geometry.is_close(labels.geometry, GEOMETRY_TOLERANCE_MM):
            raise DatasetError(
                f"Case {self.name!r}: the image has shape {scan.geometry.shape} and spacing {scan.spacing} mm, "
                f"{path.name!r} has {labels.geometry.shape} and {labels.spacing} mm, or they lie apart. Resample one "
                "onto the other's grid."
            )
        return labels.array.astype(np.uint8, copy=False)


@dataclass(frozen=True, kw_only=True)
class PhantomCase:
    """A case that is rendered from its seed around analytic kidneys, or around a label map.

    Attributes
    ----------
    seed : int
    label_map : file or None
        A KiTS mask to render around; None draws the kidneys too.
    """

    seed: int
    label_map: Path | None = None

    @property
    def name(self) -> str:
        """``phantom_`` and the seed."""
        return f"phantom_{self.seed:05d}"

    @property
    def key(self) -> str:
        """What it is rendered around, and by which version."""
        return f"{__version__} {_stamp(self.label_map) if self.label_map else 'analytic'}"

    @property
    def group(self) -> str:
        """The label map's name, or the phantom's own."""
        return self.label_map.name if self.label_map else self.name

    def read(self) -> Case:
        """Return the case, rendered."""
        scan, labels = render_phantom(self._label_map(), self.seed)
        return Case(name=self.name, scan=scan, labels=labels.array)

    def _label_map(self) -> LabelVolume:
        if self.label_map is not None:
            return read_labels(self.label_map)
        tumors, cysts = np.random.default_rng(self.seed).integers(0, MOST_LESIONS + 1, 2)
        return analytic_labels(self.seed, tumors=int(tumors), cysts=int(cysts))


def _stamp(path: Path) -> str:
    facts = path.stat()
    return f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
