r"""Render a training set of phantoms: ``case_XXXXX/{imaging,segmentation}.nii.gz``, as KiTS, and ``phantoms.csv``.

Each case is a label map and a seed; what exists is left alone, so an interrupted run is continued by the same command::

    python scripts/make_phantoms.py --labels kits23_labels --table kits23_labels.csv --anatomy anatomy \
        --output phantoms --split train --count 800 --seed 1 --workers 2
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import nibabel as nib
import numpy as np

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.io.images import read_labels
from napari_kidney_seg.phantom.analytic import analytic_labels
from napari_kidney_seg.phantom.anatomy import OrganMap, render_anatomy
from napari_kidney_seg.phantom.contrast import PHASES
from napari_kidney_seg.phantom.lesions import LesionCounts, add_lesions
from napari_kidney_seg.phantom.render import PhantomOptions, draw_recipe, render_phantom
from napari_kidney_seg.phantom.scene import Grid

WITHOUT_LESIONS_SHARE = 0.1
WITHOUT_KIDNEYS_SHARE = 0.03
GROWN_CYSTS_SHARE = 0.35  # of the label maps of KiTS, whose own cysts are few and small
UNNATURAL_SHARE = 0.4  # have neighbors of the kidneys with unnatural attenuation,
UNNATURAL_SPREAD_HU = 30.0  # so that shape and place are learned too
ANATOMY_SHARE = 0.25  # painted from whole-body label maps; half of them with the kidneys of a KiTS case
ORGAN_NAMES = "ts_total_classes.json"
GZIP_LEVEL = 1  # the files are read more often than they are shipped
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Job:
    """One phantom to render: its number and seed, and the label maps it is made of.

    A missing body is drawn. Missing kidneys are the body's own, or none where the body is missing too. A missing phase
    is drawn.
    """

    number: int
    seed: int
    kidneys: Path | None
    body: Path | None
    with_lesions: bool
    is_rich: bool
    phase: str | None
    output: Path

    @property
    def neighbors_spread_hu(self) -> float:
        """Above 0 for the share that gets unnatural neighbors."""
        is_unnatural = np.random.default_rng([self.seed, 2]).uniform() < UNNATURAL_SHARE
        return UNNATURAL_SPREAD_HU if is_unnatural else 0.0

    @property
    def case(self) -> str:
        """Name of the folder; what stands before the second underscore is the patient."""
        source = self.kidneys or self.body
        patient = source.name.removesuffix(".nii.gz").removeprefix("case_").replace("_", "-") if source else "none"
        return f"case_{patient}_{self.number:05d}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of ``phantoms.csv``."""

    case: str
    seed: int
    kidneys: str
    body: str
    with_lesions: bool
    neighbors_spread_hu: float
    phase: str
    spacing: str
    slice_thickness_mm: float
    fat: float
    noise_hu: float
    shape: str
    kidney_ml: float
    tumor_ml: float
    cyst_ml: float


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a canonical volume as KiTS does, through a temporary name."""
    image = nib.Nifti1Image(volume.array, RAS_FROM_LPS @ volume.geometry.affine)
    part = path.with_name(f".part-{path.name}")
    image.to_filename(part)
    part.replace(path)


def read_organs(path: Path) -> OrganMap:
    """Return a whole-body label map whose organ names stand in ``ts_total_classes.json`` beside it."""
    image = nib.load(path)
    array = np.asarray(image.dataobj).astype(np.uint8)
    geometry = Geometry(shape=array.shape, affine=RAS_FROM_LPS @ image.affine)
    to_canonical = geometry.axis_map_to()
    names = {int(number): name for number, name in json.loads((path.parent / ORGAN_NAMES).read_text()).items()}
    return OrganMap(
        array=np.ascontiguousarray(to_canonical.apply(array)), geometry=geometry.mapped(to_canonical), names=names
    )


def render(job: Job, options: PhantomOptions) -> tuple[Volume, LabelVolume]:
    """Return the scan and labels of one job."""
    kidneys = kidneys_of(job) if job.kidneys else None
    if job.body is not None:
        return render_anatomy(read_organs(job.body), job.seed, options, kidneys)
    return render_phantom(kidneys or analytic_labels(job.seed, "none"), job.seed, options)


def kidneys_of(job: Job) -> LabelVolume:
    """Return the kidneys of a KiTS case, some with grown cysts; of a rich one with grown tumors and cysts."""
    labels = read_labels(job.kidneys)
    rng = np.random.default_rng([job.seed, 1])
    if job.is_rich:
        counts = LesionCounts(tumors=int(rng.integers(1, 4)), cysts=int(rng.integers(0, 3)))
        add_lesions(labels.array, Grid.of(labels.geometry), counts, rng)
    elif rng.uniform() < GROWN_CYSTS_SHARE:
        add_lesions(labels.array, Grid.of(labels.geometry), LesionCounts(cysts=int(rng.integers(1, 3))), rng)
    return labels


def render_job(job: Job) -> Row:
    """Render and write one phantom; return its line of the table."""
    nib.openers.Opener.default_compresslevel = GZIP_LEVEL
    options = PhantomOptions(
        phase=job.phase, with_lesions=job.with_lesions, neighbors_spread_hu=job.neighbors_spread_hu
    )
    recipe = draw_recipe(options, np.random.default_rng(job.seed))
    volume, labels = render(job, options)
    folder = job.output / job.case
    folder.mkdir(parents=True, exist_ok=True)
    write_nifti(volume, folder / "imaging.nii.gz")
    write_nifti(labels, folder / "segmentation.nii.gz")
    return Row(
        case=job.case,
        seed=job.seed,
        kidneys=job.kidneys.name if job.kidneys else "",
        body=job.body.name if job.body else "",
        with_lesions=job.with_lesions,
        neighbors_spread_hu=job.neighbors_spread_hu,
        phase=recipe.phase,
        spacing="x".join(f"{step:.3f}" for step in volume.spacing),
        slice_thickness_mm=recipe.slice_thickness_mm,
        fat=round(recipe.fat, 3),
        noise_hu=round(recipe.noise_hu, 1),
        shape="x".join(str(n) for n in volume.array.shape),
        **{f"{name}_ml": round(labels.volume_ml(name), 2) for name in ("kidney", "tumor", "cyst")},
    )


def plan(arguments: argparse.Namespace) -> list[Job]:
    """Return all jobs of the set, the same for the same arguments: label maps in shuffled rounds."""
    with arguments.table.open() as table:
        cases = [row["case"] for row in csv.DictReader(table) if row["split"] == arguments.split]
    rng = np.random.default_rng(arguments.seed)
    order: list[str] = []
    while len(order) < arguments.count:
        order += [cases[i] for i in rng.permutation(len(cases))]
    bodies = sorted(arguments.anatomy.glob("*.nii.gz")) if arguments.anatomy else []
    jobs = []
    for number, case in enumerate(order[: arguments.count]):
        seed, chance = int(rng.integers(2**31)), rng.uniform(size=3)
        body = bodies[rng.integers(len(bodies))] if bodies and chance[0] < arguments.anatomy_share else None
        no_kidneys = body is not None and chance[1] < 0.5  # the body has its own
        no_kidneys |= body is None and chance[1] < WITHOUT_KIDNEYS_SHARE / (1 - arguments.anatomy_share)
        jobs.append(
            Job(
                number=number,
                seed=seed,
                kidneys=None if no_kidneys else arguments.labels / f"{case}.nii.gz",
                body=body,
                with_lesions=arguments.rich or bool(chance[2] >= WITHOUT_LESIONS_SHARE),
                is_rich=arguments.rich,
                phase=arguments.phase,
                output=arguments.output,
            )
        )
    return jobs


def run(jobs: list[Job], workers: int) -> int:
    """Render every job that has no result yet, add its line to the table, return how many failed."""
    table = jobs[0].output / "phantoms.csv"
    done = {row["case"] for row in csv.DictReader(table.open())} if table.exists() else set()
    failed = 0
    with ProcessPoolExecutor(workers) as pool, table.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Row)])
        if not done:
            writer.writeheader()
        waiting = {pool.submit(render_job, job): job for job in jobs if job.case not in done}
        for count, future in enumerate(as_completed(waiting), 1):
            if error := future.exception():
                failed += 1
                print(f"{waiting[future].case} with seed {waiting[future].seed} failed: {error!r}", file=sys.stderr)
            else:
                writer.writerow(asdict(future.result()))
                stream.flush()
            print(f"{count}/{len(waiting)} {waiting[future].case}", flush=True)
    return failed


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="folder of KiTS label maps")
    parser.add_argument("--table", type=Path, required=True, help="CSV with the columns case and split")
    parser.add_argument("--anatomy", type=Path, help="folder of whole-body label maps")
    parser.add_argument("--anatomy-share", type=float, default=ANATOMY_SHARE, help="of the phantoms painted from them")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rich", action="store_true", help="grow 1 to 3 tumors, 0 to 2 cysts in kidneys of KiTS")
    parser.add_argument("--phase", choices=PHASES, help="of all phantoms; default: drawn for each")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    for variable in THREAD_VARIABLES:  # the workers share the cores; they inherit this
        os.environ.setdefault(variable, "1")
    given = parse_arguments()
    given.output.mkdir(parents=True, exist_ok=True)
    sys.exit(1 if run(plan(given), given.workers) else 0)
