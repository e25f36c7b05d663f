import numpy as np
import pytest

from napari_kidney_seg.core.errors import UnwritableImageError
from napari_kidney_seg.io.images import read_labels, read_volume
from tests.loading import load_file


@pytest.fixture(scope="module")
def heldout():
    return load_file("benchmarks/heldout_phantoms.py")


def test_the_held_out_phantoms_are_fixed(heldout, tmp_path):
    rows = [f"case_{number:05d},{'validation' if number % 2 else 'train'}" for number in range(60)]
    (tmp_path / "kits23_labels.csv").write_text("\n".join(["case,split", *rows]))

    cases = heldout.heldout_cases(tmp_path)

    assert [case.case for case in cases[:3]] == ["case_00001", "case_00003", "case_00005"]
    assert len(cases) == 24
    assert [case.seed for case in cases[:2]] == [1, 3]
    assert [case.phase for case in cases[:5]] == [*heldout.PHASES, "non-contrast"]
    assert [case.slice_thickness_mm for case in cases[:6]] == [1.0, 1.5, 2.5, 3.0, 5.0, 1.0]


def test_the_table_of_kits_gives_the_documented_cases(heldout, shared_data):
    cases = heldout.heldout_cases(shared_data)

    assert (cases[0].case, cases[23].case) == ("case_00003", "case_00233")


@pytest.fixture
def one_case(heldout, phantom, monkeypatch, tmp_path):
    """The table of a single held-out case, which is rendered as the small phantom of this room."""
    (tmp_path / "kits23_labels.csv").write_text("case,split\ncase_00003,validation")
    monkeypatch.setattr(heldout, "render_heldout", lambda case, data: phantom)
    return tmp_path / "output" / "case_00003"


def test_a_written_case_reads_back_the_same(heldout, one_case, phantom, tmp_path):
    scan, labels = phantom

    list(heldout.write_heldout(tmp_path / "output", tmp_path))

    read = read_volume(one_case / "imaging.nii.gz"), read_labels(one_case / "segmentation.nii.gz")
    for found, written in zip(read, (scan, labels), strict=True):
        np.testing.assert_array_equal(found.array, written.array)
        assert found.geometry.is_close(written.geometry)


def test_an_interrupted_run_leaves_no_half_of_a_file_and_is_continued(heldout, one_case, monkeypatch, tmp_path):
    def full_disk(image, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(heldout.nib.Nifti1Image, "to_filename", full_disk)
        with pytest.raises(UnwritableImageError, match="No space left"):
            list(heldout.write_heldout(tmp_path / "output", tmp_path))
    assert list(one_case.iterdir()) == []

    (written,) = heldout.write_heldout(tmp_path / "output", tmp_path)

    assert written.case == "case_00003"
    assert sorted(path.name for path in one_case.iterdir()) == ["imaging.nii.gz", "segmentation.nii.gz"]
