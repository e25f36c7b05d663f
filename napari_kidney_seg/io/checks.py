"""Tell whether an array is a CT in Hounsfield units, and if not, what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.volume import Volume

RESCALE_MISSING = "rescale_missing"  # `subtract_1024` is the remedy
EIGHT_BIT = "eight_bit"
NORMALIZED = "normalized"
LOOKS_LIKE_LABELS = "looks_like_labels"
CONSTANT = "constant"
NOT_HOUNSFIELD = "not_hounsfield"

NO_CT = frozenset({RESCALE_MISSING, EIGHT_BIT, NORMALIZED, LOOKS_LIKE_LABELS, CONSTANT})  # the others may be one

RESCALE_INTERCEPT_HU = 1024  # what nearly every scanner adds to HU to store them without a sign
_DENSEST_ORGAN_HU = 2000  # without sign soft tissue lies near 1024 and bone above 2000; in HU no organ reaches it
_LARGEST_LOWEST_VALUE = 500  # an unsigned CT has air, at 0 to 100; data shifted further were shifted by something else
_MOST_LABELS = 10
_NARROWEST_CT_HU = 50  # from air to bone a CT spans 2000; scans normalized to 0..1, or by mean and deviation, below 20

_TEXTS = {
    RESCALE_MISSING: (
        "The values run from {low:g} to {high:g}: they look like stored CT values without the usual -1024, not "
        "Hounsfield units. Subtract 1024 before segmenting, or convert the DICOM series again."
    ),
    EIGHT_BIT: (
        "The values run from {low:g} to {high:g}: this is an 8-bit picture, not Hounsfield units. "
        "The result will be poor; open the original scan."
    ),
    NORMALIZED: (
        "The values run from {low:g} to {high:g}: the scan was normalized and is no longer in Hounsfield units. "
        "Open the original scan."
    ),
    LOOKS_LIKE_LABELS: (
        "The values are whole numbers from {low:g} to {high:g}: this looks like a mask, not a scan. Open it as labels."
    ),
    CONSTANT: "Every voxel has the value {low:g}: there is nothing to segment. Open another file.",
    NOT_HOUNSFIELD: (
        "The values run from {low:g} to {high:g}: a CT in Hounsfield units has air near -1000. "
        "If this is no CT, the result means nothing; if it is, convert the DICOM series again."
    ),
}


def check_ct(volume: Volume) -> tuple[Notice, ...]:
    """Return why `volume` may not be a CT in Hounsfield units; empty when nothing speaks against it.

    The codes are the constants of this module. With `RESCALE_MISSING`, `subtract_1024` gives the scan that was meant.
    """
    low, high = float(volume.array.min()), float(volume.array.max())
    code = _suspicion(low, high, is_whole=volume.array.dtype.kind in "iu")
    return (Notice(code=code, text=_TEXTS[code].format(low=low, high=high)),) if code else ()


def why_no_ct(volume: Volume) -> Notice | None:
    """Return why `volume` is no CT in Hounsfield units, so that its segmentation would mean nothing; else None."""
    return next((notice for notice in check_ct(volume) if notice.code in NO_CT), None)


def with_check_notes(volume: Volume) -> Volume:
    """Return `volume` with what `check_ct` found added to its notes."""
    return replace(volume, notes=volume.notes + tuple(notice.text for notice in check_ct(volume)))


def subtract_1024(volume: Volume) -> Volume:
    """Return `volume` with 1024 taken from each value, and its notes saying so."""
    stale = {notice.text for notice in check_ct(volume)}
    kept = tuple(note for note in volume.notes if note not in stale)
    is_whole = volume.array.dtype.kind in "iu"
    shifted = volume.array.astype(np.float32) - RESCALE_INTERCEPT_HU
    return replace(
        volume,
        array=shifted.astype(np.int16 if is_whole else np.float32),
        notes=(*kept, f"{RESCALE_INTERCEPT_HU} was subtracted from every value."),
    )


def _suspicion(low: float, high: float, *, is_whole: bool) -> str:
    """Return the code of the first thing that is wrong with values from `low` to `high`, or an empty string."""
    suspicions = {
        CONSTANT: low == high,
        NORMALIZED: not is_whole and high - low <= _NARROWEST_CT_HU,
        LOOKS_LIKE_LABELS: is_whole and low >= 0 and high <= _MOST_LABELS,
        EIGHT_BIT: low >= 0 and high <= np.iinfo(np.uint8).max,
        RESCALE_MISSING: 0 <= low <= _LARGEST_LOWEST_VALUE and high > _DENSEST_ORGAN_HU,
        NOT_HOUNSFIELD: low >= 0,
    }
    return next((code for code, is_true in suspicions.items() if is_true), "")
