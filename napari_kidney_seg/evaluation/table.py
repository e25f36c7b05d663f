"""Scores of many cases: evaluated pair by pair, averaged, and written with the official column names."""

from __future__ import annotations

import csv
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Progress, result_of
from napari_kidney_seg.evaluation.pairing import Pairing, pair
from napari_kidney_seg.evaluation.scores import EVALUATION_CLASSES, CaseScores, evaluate_case, mean_scores
from napari_kidney_seg.io.atomic import replacing
from napari_kidney_seg.io.images import read_labels

# Header of the official `evaluation.csv` of kits23.
COLUMNS = (
    "caseID",
    *(f"Dice_{one.name}" for one in EVALUATION_CLASSES),
    *(f"SD_{one.name}" for one in EVALUATION_CLASSES),
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """The scores of several cases.

    Attributes
    ----------
    cases : tuple of CaseScores
        At least one.
    unpaired : tuple of Path
        Files that had no partner and were not scored.
    failed : mapping of case name to why it could not be scored
    """

    cases: tuple[CaseScores, ...]
    unpaired: tuple[Path, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def mean(self) -> CaseScores:
        """The mean over cases of every score."""
        return mean_scores(self.cases)

    @property
    def rows(self) -> tuple[tuple[str | float, ...], ...]:
        """One row per case and the row of means, in the order of `COLUMNS`."""
        return tuple(score_row(scores) for scores in (*self.cases, self.mean))


def evaluate_pairing(pairing: Pairing) -> Generator[Progress, None, Table]:
    """Score every pair, yielding progress after each; return the table. A pair that cannot be scored stops no other.

    Raises
    ------
    KidneySegError
        When no pair could be scored; why the first could not.
    """
    scores, failed = [], {}
    total = len(pairing.pairs)
    for done, one in enumerate(pairing.pairs, start=1):
        try:
            scores.append(evaluate_case(read_labels(one.prediction), read_labels(one.reference), one.name))
        except KidneySegError as error:
            failed[one.name] = error
        yield Progress(stage=one.name, done=done, total=total, fraction=done / total)
    if not scores:
        raise next(iter(failed.values()))
    messages = {name: str(error) for name, error in failed.items()}
    return Table(cases=tuple(scores), unpaired=pairing.unpaired, failed=messages)


def evaluate_folder(predictions: Path, references: Path) -> Table:
    """Return the scores of a folder of predictions, or of one file.

    Parameters
    ----------
    predictions, references : both a mask file, or both a folder
        See `evaluation.pairing.pair`.

    Raises
    ------
    DatasetError
        When nothing pairs.
    KidneySegError
        When no pair could be scored.
    """
    return result_of(evaluate_pairing(pair(predictions, references)))


def write_csv(table: Table, path: Path) -> None:
    """Write the cases and their mean to `path` with the official column names.

    Raises
    ------
    UnwritableImageError
        When the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(table.rows)


def score_row(scores: CaseScores) -> tuple[str | float, ...]:
    """Return name and scores in the order of `COLUMNS`."""
    names = [one.name for one in EVALUATION_CLASSES]
    return (scores.name, *(scores.dice[name] for name in names), *(scores.surface_dice[name] for name in names))
