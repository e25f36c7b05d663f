"""The figures of a bundled model: held-out phantoms, and the labelled real scans of ``../shared/data``.

``python -m benchmarks.bundled_model PHANTOMS [--method NAME] [--bundle FILE] [--output scores.json]`` where PHANTOMS
is what ``python -m benchmarks.heldout_phantoms PHANTOMS`` wrote; prints a table for people, writes JSON for the card.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.evaluation.scores import evaluate_case
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.io.bundle import Bundle, load_bundle
from napari_kidney_seg.io.images import read_labels, read_volume
from napari_kidney_seg.io.models import find_bundle
from napari_kidney_seg.methods import DEFAULT, REGISTRY, get_method
from napari_kidney_seg.training.dataset import open_dataset

REAL_SCANS = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
VALIDATION_SCANS = ("ircad01_pv", "cptac_C3L-00189_pv", "acrin_flt001_nc")
LEAST_EMPTY_MM = 40.0  # height of the slices above or below the kidneys that are segmented as a scan of their own


@dataclass(frozen=True, kw_only=True)
class Score:
    """One scan's figures: Dice of the hierarchical classes, volumes in ml, seconds."""

    name: str
    kidney: float
    masses: float
    tumor: float
    kidney_ml: float
    tumor_ml: float
    cyst_ml: float
    seconds: float


def segment(scan: Volume, method: Method, bundle: Bundle) -> LabelVolume:
    """Return the mask of `scan`."""
    return result_of(run_cascade(scan, method, bundle)).labels


def scored(scan: Volume, reference: LabelVolume, method: Method, bundle: Bundle) -> tuple[Score, LabelVolume]:
    """Segment `scan` and compare with `reference`."""
    started = time.perf_counter()
    labels = segment(scan, method, bundle)
    seconds = time.perf_counter() - started
    scores = evaluate_case(labels, reference, scan.name)
    score = Score(
        name=scan.name,
        kidney=scores.dice["kidney"],
        masses=scores.dice["masses"],
        tumor=scores.dice["tumor"],
        seconds=seconds,
        **{f"{name}_ml": labels.volume_ml(name) for name in ("kidney", "tumor", "cyst")},
    )
    print(score, flush=True)
    return score, labels


def on_phantoms(folder: Path, method: Method, bundle: Bundle) -> tuple[int, dict[str, float]]:
    """Return how many held-out phantoms `folder` holds, and the mean Dice over them."""
    scores = []
    for files in open_dataset(folder).cases:
        case = files.read()
        reference = LabelVolume(array=case.labels, geometry=case.scan.geometry, name=case.name)
        scores.append(scored(replace(case.scan, name=case.name), reference, method, bundle)[0])
    means = {name: float(np.mean([getattr(s, name) for s in scores])) for name in ("kidney", "masses", "tumor")}
    return len(scores), means


def on_real_scans(method: Method, bundle: Bundle) -> dict[str, dict[str, float]]:
    """Return the figures of each labelled real scan; lesions and kidneys where there are none are false, in ml."""
    found = {}
    for name in VALIDATION_SCANS:
        scan, reference = read_volume(REAL_SCANS / f"{name}.nii.gz"), read_labels(REAL_SCANS / f"{name}_seg.nii.gz")
        score, labels = scored(scan, reference, method, bundle)
        cyst = reference.array == 3
        hit = float(np.count_nonzero(np.isin(labels.array, (2, 3)) & cyst)) * reference.geometry.voxel_ml
        found[name] = {
            "kidney": score.kidney,
            "lesion_ml": score.tumor_ml + score.cyst_ml,
            "cyst_reference_ml": reference.volume_ml("cyst"),
            "cyst_found_as_cyst_ml": float(np.count_nonzero((labels.array == 3) & cyst)) * reference.geometry.voxel_ml,
            "cyst_found_as_lesion_ml": hit,
        }
        for place, part in parts_without_kidney(scan, reference):
            false = np.count_nonzero(segment(part, method, bundle).array) * part.geometry.voxel_ml
            found[f"{name} {place}"] = {"false_kidney_ml": float(false)}
            print(f"{name} {place}: {false:.0f} ml of false kidney", flush=True)
    return found


def parts_without_kidney(scan: Volume, reference: LabelVolume) -> Iterator[tuple[str, Volume]]:
    """Yield the slices above the kidneys of a canonical scan, and those below, where they are 40 mm or more."""
    shown = np.flatnonzero((reference.array > 0).any(axis=(1, 2)))
    count, *plane = scan.array.shape
    ranges = {"above the kidneys": (0, int(shown[0])), "below the kidneys": (int(shown[-1]) + 1, count)}
    for place, (first, stop) in ranges.items():
        if (stop - first) * scan.geometry.spacing[0] >= LEAST_EMPTY_MM:
            box = Box(start=(first, 0, 0), stop=(stop, *plane))
            yield place, replace(scan, array=scan.array[box.slices], geometry=scan.geometry.cropped(box))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phantoms", type=Path, nargs="?")
    parser.add_argument("--method", choices=list(REGISTRY), default=DEFAULT)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    method = get_method(arguments.method, "compact")
    bundle = load_bundle(arguments.bundle or find_bundle(method), method)
    scores: dict[str, object] = {}
    if REAL_SCANS.is_dir():
        scores["real scans"] = on_real_scans(method, bundle)
    if arguments.phantoms:
        count, means = on_phantoms(arguments.phantoms, method, bundle)
        scores[f"{count} held-out phantoms"] = means
    text = json.dumps(scores, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
