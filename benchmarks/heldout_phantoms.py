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
import numpy as np

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.phantom.render import PhantomOptions, render_phantom
from napari_kidney_seg.phantom.sampling import cropped_to_labels

COUNT = 24
PHASES = ("non-contrast", "corticomedullary", "portal venous", "nephrographic")
THICKNESSES_MM = (1.0, 1.5, 2.5, 3.0, 5.0)
PLANE_SPACING_MM = 1.5
FIELD_OF_VIEW_MM = (70.0, 300.0, 390.0)  # height beyond the kidneys, then depth and width
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


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


def read_kits_labels(path: Path) -> LabelVolume:
    """Return a KiTS label map, stored I-P-L, as a canonical label volume."""
    image = nib.load(path)
    array = np.asarray(image.dataobj).astype(np.uint8)
    return LabelVolume(
        array=array, geometry=Geometry(shape=array.shape, affine=RAS_FROM_LPS @ image.affine), name=path.stem
    )


def render_heldout(case: HeldOut, data: Path) -> tuple[Volume, LabelVolume]:
    """Return scan and reference labels of one held-out phantom."""
    labels = read_kits_labels(data / "kits23_labels" / f"{case.case}.nii.gz")
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
            for part, name in ((volume, "imaging"), (labels, "segmentation")):
                image = nib.Nifti1Image(part.array, RAS_FROM_LPS @ part.geometry.affine)
                image.to_filename(folder / f"{name}.nii.gz")
        yield case


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = parser.parse_args()
    for written in write_heldout(given.output, given.data):
        print(f"{written.case} {written.phase} {written.slice_thickness_mm} mm", flush=True)
