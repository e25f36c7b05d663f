import numpy as np
import pytest

from benchmarks import bundled_model
from benchmarks.heldout_phantoms import write_nifti
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume

GEOMETRY = Geometry.from_spacing((6, 8, 10), (3.0, 2.0, 2.0))


@pytest.fixture
def folder(tmp_path):
    """Two cases as KiTS has them, a kidney in each, and in the first one a tumor."""
    for name, mass in (("case_00003", 2), ("case_00013", 1)):
        labels = np.zeros(GEOMETRY.shape, np.uint8)
        labels[1:5, 2:6, 2:8] = 1
        labels[2, 3, 3] = mass
        (tmp_path / name).mkdir()
        scan = Volume(array=(labels > 0).astype(np.int16), geometry=GEOMETRY, name=name)
        write_nifti(scan, tmp_path / name / "imaging.nii.gz")
        write_nifti(LabelVolume(array=labels, geometry=GEOMETRY), tmp_path / name / "segmentation.nii.gz")
    return tmp_path


def test_phantoms_are_counted_and_go_by_the_names_of_their_cases(folder, monkeypatch):
    seen = []

    def all_kidney(scan, method, bundle):
        seen.append(scan.name)
        return LabelVolume(array=scan.array.astype(np.uint8), geometry=scan.geometry)

    monkeypatch.setattr(bundled_model, "segment", all_kidney)
    count, means = bundled_model.on_phantoms(folder, method=None, bundle=None)

    assert count == 2
    assert seen == ["case_00003", "case_00013"]
    assert means == {"kidney": 1.0, "masses": 0.5, "tumor": 0.5}  # the tumor of the first case is missed


def test_slices_beside_the_kidneys_are_scans_of_their_own_where_there_are_enough():
    geometry = Geometry.from_spacing((40, 2, 2), (4.0, 2.0, 2.0))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[10:31] = 1  # 40 mm above the kidneys, 36 mm below
    heights = np.broadcast_to(np.arange(40)[:, None, None], geometry.shape)
    scan = Volume(array=heights, geometry=geometry, name="heights")

    ((place, part),) = bundled_model.parts_without_kidney(scan, LabelVolume(array=labels, geometry=geometry))

    assert place == "above the kidneys"
    assert np.unique(part.array).tolist() == list(range(10))
    assert part.geometry.is_close(geometry.cropped(Box(start=(0, 0, 0), stop=(10, 2, 2))))
