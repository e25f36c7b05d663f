"""Masks for the evaluation tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry, Spacing
from napari_kidney_seg.core.volume import LabelVolume

MakeLabels = Callable[..., LabelVolume]


@pytest.fixture
def make_labels() -> MakeLabels:
    """Return a function that gives a mask of an array and a spacing (sz, sy, sx) in mm."""

    def make(array: NDArray[np.uint8], spacing: Spacing = (1.0, 1.0, 1.0), name: str = "mask") -> LabelVolume:
        return LabelVolume(array=array, geometry=Geometry.from_spacing(array.shape, spacing), name=name)

    return make
