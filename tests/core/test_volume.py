from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.volume import LabelVolume, Source, Volume

GEOMETRY = Geometry.from_spacing((2, 3, 4), (5.0, 2.0, 1.0))


def test_a_volume_has_the_spacing_of_its_geometry():
    assert Volume(array=np.zeros((2, 3, 4)), geometry=GEOMETRY).spacing == (5.0, 2.0, 1.0)


def test_an_array_of_another_shape_is_refused_with_both_shapes():
    with pytest.raises(GeometryMismatchError, match=r"'ct' has shape \(4, 3, 2\); its geometry says \(2, 3, 4\)"):
        Volume(array=np.zeros((4, 3, 2)), geometry=GEOMETRY, name="ct")


def test_with_array_changes_the_voxels_and_nothing_else():
    source = Source(path=Path("scan.nii.gz"), format="nifti", geometry=GEOMETRY)
    mask = LabelVolume(array=np.zeros((2, 3, 4)), geometry=GEOMETRY, name="mask", source=source, notes=("oblique",))

    ones = mask.with_array(np.ones((2, 3, 4)))

    assert ones.array.sum() == 24
    assert isinstance(ones, LabelVolume)
    assert (ones.geometry, ones.name, ones.source, ones.notes) == (GEOMETRY, "mask", source, ("oblique",))


def test_with_array_refuses_another_shape():
    with pytest.raises(GeometryMismatchError, match="Build the Geometry"):
        Volume(array=np.zeros((2, 3, 4)), geometry=GEOMETRY).with_array(np.zeros((2, 3, 5)))


def test_label_volumes_are_in_milliliters_of_the_composed_mask():
    array = np.zeros((2, 3, 4), np.uint8)
    array[0] = KITS["kidney"].id
    array[0, 0, :3] = KITS["tumor"].id
    mask = LabelVolume(array=array, geometry=GEOMETRY)

    assert mask.volume_ml("kidney") == pytest.approx(9 * 10 / 1000)
    assert mask.volume_ml("tumor") == pytest.approx(3 * 10 / 1000)
    assert mask.volume_ml("cyst") == 0
