"""The 24 held-out phantoms on which every method is measured: fixed cases, seeds, phases and slices.

They are rendered around the first 24 validation label maps of ``kits23_labels.csv``::

    python -m benchmarks.heldout_phantoms OUTPUT [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib

from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.io.atomic import replacing
from napari_kidney_seg.io.images import read_labels
from napari_kidney_seg.io.nifti import LPS_OF_RAS
from napari_kidney_seg.phantom.render import PhantomOptions, render_phantom
from napari_kidney_seg.phantom.sampling import cropped_to_labels

COUNT = 24
PHASES = ("non-contrast", "corticomedullary", "portal venous", "nephrographic")
THICKNESSES_MM = (1.0, 1.5, 2.5, 3.0, 5.0)
PLANE_SPACING_MM = 1.5
FIELD_OF_VIEW_MM = (70.0, 300.0, 390.0)  # height beyond the kidneys, then depth and width


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """One held-out phantom: the KiTS case, its number as seed, and how it is scanned."""

    case: str
    phase: str
    slice_thickness_mm: float

    @property
    def seed(self) -> int:
        """The case's number."""
        return int(self.case.removeprefix("case_"))


def heldout_cases(data: Path) -> list[HeldOut]:
    """Return the 24 held-out phantoms defined by the table in the folder `data`."""
    with (data / "kits23_labels.csv").open() as table:
        names = [row["case"] for row in csv.DictReader(table) if row["split"] == "validation"][:COUNT]
    return [
        HeldOut(
            case=name,
            phase=PHASES[index % len(PHASES)],
            slice_thickness_mm=THICKNESSES_MM[index % len(THICKNESSES_MM)],
        )
        for index, name in enumerate(names)
    ]


def render_heldout(case: HeldOut, data: Path) -> tuple[Volume, LabelVolume]:
    """Return scan and reference labels of one held-out phantom."""
    labels = read_labels(data / "kits23_labels" / f"{case.case}.nii.gz")
    found = cropped_to_labels(labels)
    height = found[1].shape[0] * found[1].spacing[0] if found is not None else 0.0
    beyond, depth, width = FIELD_OF_VIEW_MM
    options = PhantomOptions(
        phase=case.phase,
        spacing=(case.slice_thickness_mm, PLANE_SPACING_MM, PLANE_SPACING_MM),
        slice_thickness_mm=case.slice_thickness_mm,
        field_of_view_mm=(height + beyond, depth, width),
    )
    return render_phantom(labels, case.seed, options)


def write_heldout(output: Path, data: Path) -> Iterator[HeldOut]:
    """Write every held-out phantom that is not there yet as ``case_XXXXX/{imaging,segmentation}.nii.gz``."""
    for case in heldout_cases(data):
        folder = output / case.case
        if not (folder / "segmentation.nii.gz").exists():
            folder.mkdir(parents=True, exist_ok=True)
            volume, labels = render_heldout(case, data)
            write_nifti(volume, folder / "imaging.nii.gz")
            write_nifti(labels, folder / "segmentation.nii.gz")
        yield case


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a canonical volume as KiTS does; an interrupted run leaves no half of a file."""
    image = nib.Nifti1Image(volume.array, LPS_OF_RAS @ volume.geometry.affine)  # the matrix is its own inverse
    with replacing(path) as part:
        image.to_filename(part)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = parser.parse_args()
    for written in write_heldout(given.output, given.data):
        print(f"{written.case} {written.phase} {written.slice_thickness_mm} mm", flush=True)
