r"""Write what a stage of a method finds in each case of training sets: ``found_STAGE.nii.gz`` beside its scan.

A stage that this one guides learns from it how the guide errs, instead of from the reference. What exists is left
alone, so an interrupted run is continued by the same command::

    python scripts/find_organs.py resunet-2.5d kidney --data phantoms rich

A scan and its z-mirror are not averaged here: half the time, and somewhat more to err. The model should not have
learned from these very cases, in which it errs less than at work.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.method import Method, StageOutput
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.inference.fusion import mask_of
from napari_kidney_seg.inference.options import RunOptions
from napari_kidney_seg.inference.prepare import canonical
from napari_kidney_seg.inference.regions import BACKGROUND
from napari_kidney_seg.io.bundle import Bundle, load_bundle
from napari_kidney_seg.io.images import write_labels
from napari_kidney_seg.io.models import find_bundle
from napari_kidney_seg.methods import REGISTRY, get_method
from napari_kidney_seg.training.cases import FOUND_PREFIX, CaseFiles
from napari_kidney_seg.training.dataset import KITS_IMAGE, open_dataset


def parse() -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=list(REGISTRY))
    parser.add_argument("stage", help="which answers background or organ")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders in KiTS layout")
    parser.add_argument("--bundle", type=Path, help="default: the newest model there is")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def find_organ(scan: Volume, method: Method, bundle: Bundle, stage: str, options: RunOptions) -> NDArray[np.uint8]:
    """Return where `stage` sees the organ, 0 or 1, shape (Z, Y, X) on the canonical grid of `scan`."""
    outputs: dict[str, StageOutput] = {}
    run = run_cascade(scan, method, bundle, cache=outputs, options=options)
    for _ in run:
        if stage in outputs:
            break
    run.close()  # what comes after is not needed
    return result_of(mask_of(outputs[stage], canonical(scan)[0].geometry)).astype(np.uint8)


def main() -> None:
    """Find and write, printing each case."""
    arguments = parse()
    method = get_method(arguments.method, "compact")
    bundle = load_bundle(arguments.bundle or find_bundle(method), method)
    method = replace(method, stages=tuple(replace(stage, mirrors=()) for stage in method.stages))
    options = RunOptions(threads=arguments.threads)
    if method.stage(arguments.stage).classes != (BACKGROUND, method.schema.organ):
        raise SystemExit(f"Stage {arguments.stage!r} outlines more than the organ; choose one that answers it alone.")
    for case in (case for folder in arguments.data for case in open_dataset(folder).cases):
        if not isinstance(case, CaseFiles) or case.image.name != KITS_IMAGE:
            raise SystemExit(f"{case.name} is no case of a KiTS folder, beside whose scan there is room for its mask.")
        path = case.image.parent / f"{FOUND_PREFIX}{arguments.stage}.nii.gz"
        if path.exists():
            continue
        scan = case.read().scan
        mask = find_organ(scan, method, bundle, arguments.stage, options)
        write_labels(LabelVolume(array=mask, geometry=scan.geometry, name=scan.name), path, like=scan.source)
        print(path, np.count_nonzero(mask), flush=True)


if __name__ == "__main__":
    main()
