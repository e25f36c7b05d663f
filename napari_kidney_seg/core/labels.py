"""What the numbers in a mask mean, and how three nested masks become one."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import KidneySegError


@dataclass(frozen=True, kw_only=True)
class Label:
    """One class of a mask: its id in the file, its name, and its color as RGB in 0..1."""

    id: int
    name: str
    color: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class LabelSchema:
    """The classes of a mask.

    Attributes
    ----------
    labels : tuple of Label
        In order of composition: a later label overwrites an earlier one (KiTS: kidney, cyst, tumor).
    organ : str
        The label whose nested layer holds all the others: the kidney layer is the whole organ with its masses.
    """

    labels: tuple[Label, ...]
    organ: str

    @property
    def names(self) -> Mapping[int, str]:
        """Label id to name, by rising id."""
        return MappingProxyType({label.id: label.name for label in sorted(self.labels, key=lambda one: one.id)})

    def others(self, names: Container[str]) -> tuple[str, ...]:
        """Return the names of the labels that are not among `names`, by rising id."""
        return tuple(name for name in self.names.values() if name not in names)

    def __getitem__(self, name: str) -> Label:
        """Return the label called `name`.

        Raises
        ------
        KidneySegError
            When the schema has no such label.
        """
        for label in self.labels:
            if label.name == name:
                return label
        names = ", ".join(repr(label.name) for label in self.labels)
        raise KidneySegError(f"The schema has no label {name!r}. Choose one of {names}.")

    def compose(self, layers: Mapping[str, NDArray[np.generic]]) -> NDArray[np.uint8]:
        """Return one uint8 mask (Z, Y, X) from nested masks by name, later labels of the schema winning.

        A tumor or cyst that reaches outside the kidney layer stays.

        Raises
        ------
        KidneySegError
            When `layers` is empty: the shape of the mask is then unknown.
        """
        if not layers:
            raise KidneySegError("Found no layers to compose; needed at least one. Add or select a labels layer.")
        composed = np.zeros(next(iter(layers.values())).shape, np.uint8)
        for label in self.labels:
            if label.name in layers:
                composed[np.asarray(layers[label.name]) != 0] = label.id
        return composed

    def decompose(self, mask: NDArray[np.generic]) -> dict[str, NDArray[np.uint8]]:
        """Return one nested 0/1 mask per label from a composed `mask`; the organ's covers every label."""
        return {
            label.name: (mask != 0 if label.name == self.organ else mask == label.id).astype(np.uint8)
            for label in self.labels
        }


KITS = LabelSchema(
    labels=(
        Label(id=1, name="kidney", color=(0.86, 0.16, 0.16)),
        Label(id=3, name="cyst", color=(0.16, 0.47, 0.96)),
        Label(id=2, name="tumor", color=(0.16, 0.78, 0.27)),
    ),
    organ="kidney",
)
