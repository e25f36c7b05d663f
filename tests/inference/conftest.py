"""Fake methods, and the scan they are run on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.inference.regions import AroundForeground
from tests.inference.fakes import LESION, ORGAN, method_of, oracle_stage, organ_only, scan_of, two_kidneys


@pytest.fixture
def one_stage() -> Method:
    """A method of one stage over the whole scan."""
    return method_of(oracle_stage("kidney", ORGAN), fuse=organ_only)


@pytest.fixture
def three_stages() -> Method:
    """A cascade as 003: a coarse stage on a fixed grid, kidney and lesion stages around what it found."""
    around = AroundForeground(sources=("coarse",), margin_mm=6.0)
    fine = {"requires": ("coarse",), "region": around, "mirrors": ((0,),)}
    return method_of(
        oracle_stage(
            "coarse", ORGAN, grid=WorkingGrid(shape=(16, 24, 24)), window=(16, 24, 24), cleaning=KeepLargest(count=2)
        ),
        oracle_stage("kidney", ORGAN, **fine),
        oracle_stage("lesion", LESION, **fine),
    )


@pytest.fixture
def labels() -> np.ndarray:
    """The labels of `two_kidneys`."""
    return two_kidneys()


@pytest.fixture
def scan(labels) -> Volume:
    """The scan that shows `labels` as marked intensities, 2 x 1.5 x 1.5 mm, with air outside the body."""
    return scan_of(labels)
