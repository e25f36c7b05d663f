import argparse
from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.io.images import read_labels
from napari_kidney_seg.training.cases import CaseFiles
from tests.loading import load_file


@pytest.fixture(scope="module")
def make_phantoms():
    return load_file("scripts/make_phantoms.py")


@pytest.fixture
def arguments(tmp_path):
    rows = [f"case_{number:05d},{'validation' if number % 10 == 3 else 'train'}" for number in range(50)]
    (tmp_path / "table.csv").write_text("\n".join(["case,split", *rows]))
    (tmp_path / "body.nii.gz").touch()
    return argparse.Namespace(
        labels=tmp_path,
        table=tmp_path / "table.csv",
        anatomy=tmp_path,
        output=tmp_path,
        split="train",
        count=400,
        anatomy_share=0.25,
        seed=1,
        rich=False,
        phase=None,
    )


def test_the_plan_is_the_same_for_the_same_arguments(make_phantoms, arguments):
    assert make_phantoms.plan(arguments) == make_phantoms.plan(arguments)


def test_a_phase_is_that_of_all_phantoms_and_changes_nothing_else(make_phantoms, arguments):
    drawn = make_phantoms.plan(arguments)
    arguments.phase = "non-contrast"

    assert make_phantoms.plan(arguments) == [replace(job, phase="non-contrast") for job in drawn]


def test_training_phantoms_use_no_validation_case(make_phantoms, arguments):
    jobs = make_phantoms.plan(arguments)

    used = {int(job.kidneys.name[5:10]) for job in jobs if job.kidneys}
    assert len(jobs) == 400
    assert all(number % 10 != 3 for number in used)
    assert len(used) == 45


def test_the_plan_keeps_the_shares(make_phantoms, arguments):
    jobs = make_phantoms.plan(arguments)

    assert np.mean([job.body is not None for job in jobs]) == pytest.approx(0.25, abs=0.06)
    assert np.mean([not job.with_lesions for job in jobs]) == pytest.approx(0.1, abs=0.05)
    without = [job.body is None and job.kidneys is None for job in jobs]
    assert np.mean(without) == pytest.approx(0.03, abs=0.02)
    assert np.mean([job.neighbors_spread_hu > 0 for job in jobs]) == pytest.approx(0.4, abs=0.08)


def test_every_phantom_of_a_label_map_belongs_to_its_patient(make_phantoms, arguments):
    jobs = make_phantoms.plan(arguments)

    patients = {CaseFiles(name=job.case, image=job.output, mask=job.output).group: job for job in jobs}
    assert len({job.case for job in jobs}) == 400
    assert len(patients) == 45 + 2  # the label maps, the body with its own kidneys, none


def test_cysts_are_grown_in_a_third_of_the_label_maps(make_phantoms, arguments, phantom, tmp_path):
    kidneys = replace(phantom[1], array=(phantom[1].array > 0).astype(np.uint8))
    make_phantoms.write_nifti(kidneys, tmp_path / "case_00001.nii.gz")
    job = replace(make_phantoms.plan(arguments)[0], kidneys=tmp_path / "case_00001.nii.gz")

    with_cyst = [3 in make_phantoms.kidneys_of(replace(job, seed=seed)).array for seed in range(40)]

    assert np.mean(with_cyst) == pytest.approx(0.35, abs=0.15)


def test_every_label_map_of_a_rich_set_gets_tumors_and_most_get_cysts(make_phantoms, arguments, phantom, tmp_path):
    arguments.rich = True
    kidneys = replace(phantom[1], array=(phantom[1].array > 0).astype(np.uint8))
    make_phantoms.write_nifti(kidneys, tmp_path / "case_00001.nii.gz")
    jobs = make_phantoms.plan(arguments)
    job = replace(jobs[0], kidneys=tmp_path / "case_00001.nii.gz")

    grown = [make_phantoms.kidneys_of(replace(job, seed=seed)).array for seed in range(30)]

    assert all(job.with_lesions for job in jobs)
    assert all((array == 2).any() for array in grown)
    assert np.mean([(array == 3).any() for array in grown]) == pytest.approx(2 / 3, abs=0.25)


def test_a_written_volume_reads_back_as_kits_stores_it(make_phantoms, phantom, tmp_path):
    labels: Volume = phantom[1]

    make_phantoms.write_nifti(labels, tmp_path / "segmentation.nii.gz")
    again = read_labels(tmp_path / "segmentation.nii.gz")

    np.testing.assert_array_equal(again.array, labels.array)
    assert again.geometry.is_close(labels.geometry)
    assert not list(tmp_path.glob(".part*"))
