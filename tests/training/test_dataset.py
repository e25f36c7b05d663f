from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.training.dataset import Dataset, open_dataset, phantom_stream
from tests.training.conftest import KITS_AFFINE, labelled_arrays


def test_a_kits_folder_gives_its_cases_in_order(kits_folder):
    assert [case.name for case in open_dataset(kits_folder).cases] == ["case_00000", "case_00001", "case_00002"]


def test_a_cached_case_equals_the_case_read_from_its_files(kits_folder, dataset):
    fresh = open_dataset(kits_folder).load(1)
    dataset.load(1)

    recalled = dataset.load(1)

    np.testing.assert_array_equal(recalled.scan.array, fresh.scan.array)
    np.testing.assert_array_equal(recalled.labels, labelled_arrays(1)[1])
    assert recalled.scan.geometry.is_close(fresh.scan.geometry)
    assert isinstance(recalled.scan.array, np.memmap)


def test_the_majority_mask_of_kits21_is_taken(tmp_path):
    folder = tmp_path / "case_00000"
    folder.mkdir()
    image, labels = labelled_arrays(0)
    nib.Nifti1Image(image, KITS_AFFINE).to_filename(folder / "imaging.nii.gz")
    for name, array in (("OR", labels * 0), ("MAJ", labels)):
        nib.Nifti1Image(array, KITS_AFFINE).to_filename(folder / f"aggregated_{name}_seg.nii.gz")

    np.testing.assert_array_equal(open_dataset(tmp_path).load(0).labels, labels)


def test_pairs_and_nnunet_folders_are_found(tmp_path):
    image, labels = labelled_arrays(0)
    pairs, tree = tmp_path / "pairs", tmp_path / "nnunet"
    for image_path, mask_path in (
        (pairs / "a.nii.gz", pairs / "a_seg.nii.gz"),
        (tree / "imagesTr" / "b_0000.nii.gz", tree / "labelsTr" / "b.nii.gz"),
    ):
        image_path.parent.mkdir(parents=True, exist_ok=True)
        mask_path.parent.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(image, KITS_AFFINE).to_filename(image_path)
        nib.Nifti1Image(labels, KITS_AFFINE).to_filename(mask_path)

    assert [case.name for case in open_dataset(pairs).cases] == ["a"]
    assert [case.name for case in open_dataset(tree).cases] == ["b"]


def test_a_folder_without_cases_says_what_was_needed(tmp_path):
    with pytest.raises(DatasetError, match="needed case_"):
        open_dataset(tmp_path)


def test_a_mask_on_another_grid_is_refused(kits_folder):
    labels = labelled_arrays(0)[1]
    nib.Nifti1Image(labels[:-1], KITS_AFFINE).to_filename(
        kits_folder / "dataset" / "case_00000" / "segmentation.nii.gz"
    )

    with pytest.raises(DatasetError, match=r"\(23, 40, 48\)"):
        open_dataset(kits_folder).load(0)


def test_what_a_stage_found_in_a_case_is_read_kept_and_read_again_when_it_changes(kits_folder, dataset):
    path = kits_folder / "dataset" / "case_00001" / "found_kidney.nii.gz"
    whole = (labelled_arrays(1)[1] > 0).astype(np.uint8)
    half = whole.copy()
    half[:12] = 0

    for found in (whole, half):
        nib.Nifti1Image(found, KITS_AFFINE).to_filename(path)
        cached = open_dataset(kits_folder, cache=dataset.cache)
        cached.load(1)

        np.testing.assert_array_equal(cached.load(1).found["kidney"], found)
    assert cached.load(0).found == {}


def test_what_a_stage_found_on_another_grid_is_refused(kits_folder):
    labels = labelled_arrays(0)[1]
    path = kits_folder / "dataset" / "case_00000" / "found_kidney.nii.gz"
    nib.Nifti1Image(labels[:-1], KITS_AFFINE).to_filename(path)

    with pytest.raises(DatasetError, match="found_kidney"):
        open_dataset(kits_folder).load(0)


def test_a_corrected_mask_is_read_again(kits_folder, dataset):
    dataset.load(0)
    labels = np.zeros_like(labelled_arrays(0)[1])
    path = kits_folder / "dataset" / "case_00000" / "segmentation.nii.gz"
    nib.Nifti1Image(labels, KITS_AFFINE).to_filename(path)

    assert dataset.load(0).labels.max() == 0


def test_scans_of_one_patient_stay_together(kits_folder, tmp_path):
    cases = open_dataset(kits_folder).cases
    twins = tuple(replace(case, name=f"{case.name}_again") for case in cases)

    training, validation = Dataset(cases=cases + twins).split(0.34, seed=1)

    assert len(validation) == 2
    assert not {case.group for case in training.cases} & {case.group for case in validation.cases}


def test_the_split_is_a_partition_that_depends_on_the_seed_alone(dataset):
    training, validation = dataset.split(0.34, seed=5)

    assert len(validation) == 1
    assert {c.name for c in training.cases} | {c.name for c in validation.cases} == {c.name for c in dataset.cases}
    assert dataset.split(0.34, seed=5)[1] == validation


def test_a_phantom_stream_renders_each_seed_once_and_the_same(tmp_path):
    stream = open_dataset("phantoms:3", cache=tmp_path)

    first = stream.load(1)
    again = phantom_stream(3).load(1)

    assert [case.name for case in stream.cases] == ["phantom_00000", "phantom_00001", "phantom_00002"]
    np.testing.assert_array_equal(first.scan.array, again.scan.array)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert 1 in first.labels


def test_cases_are_left_out_by_name(dataset):
    left = dataset.without(("case_00001", "case_00099"))

    assert [case.name for case in left.cases] == ["case_00000", "case_00002"]
