"""What a person should know about a scan before, and about a mask after a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.components import Component, components

SMALL_KIDNEY_ML = 30.0  # with its masses
SPECK_ML = 1.0  # what is smaller is nobody's kidney
LARGE_KIDNEY_ML = 3000.0  # the largest of KiTS23 has 2674 ml
# Upper quartile of kidneys without contrast agent: 38 to 64 in six held-out phantoms and in acrin of the shared data,
# 152 to 231 in the others, which have it. Values from 0 to 1 are no HU.
NATIVE_HU = (10.0, 75.0)
ENHANCED_HU = 110.0  # no kidney reaches it without contrast agent, but for noise
SOFT_TISSUE_RANGE = 300.0  # HU; a CT with air or bone spans far more
SHIFTED_MAXIMUM = 2000.0  # a scan without negative values that reaches this lacks its offset of -1024 HU


def unknown_classes(method: Method) -> Iterator[Notice]:
    """Yield which classes `method` does not know, so that nobody takes an empty one for a finding."""
    names = " or ".join(method.schema.others(method.classes))
    if names:
        yield Notice(
            code="unknown_class",
            text=f"{method.name!r} knows no {names}: none was looked for, and one can pass for another class.",
            level="info",
        )


def input_notices(scan: Volume) -> Iterator[Notice]:
    """Yield what looks wrong about the voxels of `scan`."""
    values = scan.array
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        yield Notice(
            code="not_finite", text=f"{bad} voxels hold no number and are read as air. Check how the scan was exported."
        )
        values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low >= 0 and high > SHIFTED_MAXIMUM:
        yield Notice(
            code="not_hu",
            text=f"Values run from {low:g} to {high:g}: the rescale to Hounsfield units is missing. Subtract 1024.",
        )
    elif high - low < SOFT_TISSUE_RANGE:
        yield Notice(
            code="not_hu",
            text=f"Values run from {low:g} to {high:g}, which is no CT in Hounsfield units. Open the original scan.",
        )


def result_notices(labels: NDArray[Any], scan: Volume) -> Iterator[Notice]:
    """Yield what is unusual about the canonical mask (Z, Y, X) of `scan`, judged by its whole foreground."""
    found, geometry = components(labels > 0), scan.geometry
    if not found:
        yield Notice(
            code="no_kidney",
            text="No kidney was found. Check that the scan shows the abdomen, that it is a CT, and its orientation.",
        )
        return
    yield from _volume_notices([one.voxels * geometry.voxel_ml for one in found])
    if _touches_end(found, geometry):
        yield Notice(
            code="cut_scan",
            text="The kidney reaches the first or last slice: the scan ends inside it, and volumes are too small.",
        )

    yield from _contrast_notices(labels, scan, found)


def _contrast_notices(labels: NDArray[Any], scan: Volume, found: list[Component]) -> Iterator[Notice]:
    """Yield that lesions hardly show where the kidneys are as dark as without contrast agent."""
    values = _kidney_values(labels, scan, found)
    bright_ml = np.count_nonzero(values >= ENHANCED_HU) * scan.geometry.voxel_ml
    if not values.size or bright_ml >= SMALL_KIDNEY_ML:  # a kidney in a large dark mass that passes for it, say
        return
    median, upper = np.percentile(values, (50, 75))
    if NATIVE_HU[0] <= upper <= NATIVE_HU[1]:
        yield Notice(
            code="no_contrast",
            text=f"The kidneys have about {median:.0f} HU, as without contrast agent. Tumors and many cysts look like "
            "kidney then: some may be missed, others marked wrongly; check both kidneys.",
        )


def _kidney_values(labels: NDArray[Any], scan: Volume, found: list[Component]) -> NDArray[Any]:
    """Return the HU of the kidneys without masses; with them, where hardly any kidney is left beside them."""
    boxes = [one.box.slices for one in found]
    organ = KITS[KITS.organ].id
    kidneys = np.concatenate([scan.array[box][labels[box] == organ] for box in boxes])
    if kidneys.size * scan.geometry.voxel_ml < SMALL_KIDNEY_ML:
        kidneys = np.concatenate([scan.array[box][labels[box] > 0] for box in boxes])
    finite: NDArray[Any] = kidneys[np.isfinite(kidneys)]
    return finite


def _volume_notices(volumes: list[float]) -> Iterator[Notice]:
    specks = sum(ml < SPECK_ML for ml in volumes)
    if specks:
        pieces = "there is a piece" if specks == 1 else f"there are {specks} pieces"
        text = f"Apart from the kidneys {pieces} of less than {SPECK_ML:g} ml. Look there, or remove islands."
        yield Notice(code="specks", text=text, level="info")
    odd = [ml for ml in volumes if ml >= SPECK_ML and not SMALL_KIDNEY_ML <= ml <= LARGE_KIDNEY_ML]
    if odd:
        sizes = ", ".join(f"{ml:.0f} ml" for ml in odd)
        usual = f"{SMALL_KIDNEY_ML:.0f} to {LARGE_KIDNEY_ML:.0f} ml"
        yield Notice(
            code="implausible_volume",
            text=f"A kidney with its masses has {sizes}; expected {usual}. Check it.",
        )
    if len([ml for ml in volumes if ml >= SMALL_KIDNEY_ML]) == 1:
        yield Notice(
            code="one_kidney",
            text="One kidney was found: the other is absent, joined to it, or was missed. Check it.",
            level="info",
        )


def _touches_end(found: list[Component], geometry: Geometry) -> bool:
    return any(one.box.start[0] == 0 or one.box.stop[0] == geometry.shape[0] for one in found)
