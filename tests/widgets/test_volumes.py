from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.widgets.layer_data import LEFT_KIDNEY
from napari_kidney_seg.widgets.volumes import measure_layers

SHAPE = (10, 20, 40)


@pytest.fixture
def geometry() -> Geometry:
    return Geometry.from_spacing(SHAPE, (5.0, 5.0, 5.0))  # 0.125 ml a voxel


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Two kidneys of 80 and 160 voxels; the right one with a tumor of 8, 2 of them on a cyst of 6, 4 outside."""
    kidney, tumor, cyst = (np.zeros(SHAPE, np.uint8) for _ in range(3))
    kidney[2:6, 4:9, 4:8] = 1
    kidney[2:6, 4:12, 30:35] = 1
    tumor[2:4, 4:6, 3:5] = 2
    cyst[2:4, 4:5, 4:7] = 3
    return {"kidney": kidney, "tumor": tumor, "cyst": cyst}


def test_classes_are_counted_as_they_would_be_saved_and_kidneys_with_their_masses(arrays, geometry):
    volumes = measure_layers(arrays, geometry)

    assert volumes.classes == pytest.approx(
        {"kidney": (80 + 160 - 4 - 4) * 0.125, "cyst": (6 - 2) * 0.125, "tumor": 8 * 0.125}
    )
    assert (volumes.right, volumes.left) == pytest.approx(((80 + 4) * 0.125, 160 * 0.125))


def test_a_split_kidney_says_itself_what_is_left(arrays, geometry):
    arrays["kidney"][2:6, 4:9, 4:8] = LEFT_KIDNEY

    volumes = measure_layers(arrays, geometry)

    assert (volumes.right, volumes.left) == pytest.approx(((160 + 4) * 0.125, 80 * 0.125))


def test_empty_layers_have_no_volume(arrays, geometry):
    volumes = measure_layers({name: np.zeros_like(array) for name, array in arrays.items()}, geometry)

    assert volumes.right == volumes.left == 0
    assert set(volumes.classes.values()) == {0}
