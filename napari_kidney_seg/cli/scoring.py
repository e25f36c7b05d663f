"""Scores of masks against references, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from napari_kidney_seg.cli.console import follow, print_record
from napari_kidney_seg.evaluation.pairing import pair
from napari_kidney_seg.evaluation.scores import EVALUATION_CLASSES, CaseScores
from napari_kidney_seg.evaluation.table import COLUMNS, Table, evaluate_pairing, write_csv


def score(prediction: Path, reference: Path, csv: Path | None, console: Console) -> Table:
    """Evaluate a mask or a folder of masks; print the scores, write them to `csv`, return them.

    Raises
    ------
    DatasetError
        When nothing pairs.
    KidneySegError
        When no pair could be scored.
    """
    table = follow(evaluate_pairing(pair(prediction, reference)), "evaluate", console)
    console.print(_pretty(table))
    console.print(f"KiTS19 composite (mean Dice of kidney with masses and of tumor): {table.mean.kits19_composite:.4f}")
    print_absent(table.cases, console)
    for path in table.unpaired:
        console.print(f"No partner, not scored: {escape(str(path))}", style="yellow")
    for name, message in table.failed.items():
        console.print(f"Failed: {escape(name)}: {escape(message)}", style="red")
    if csv is not None:
        write_csv(table, csv)
        console.print(f"Wrote {escape(str(csv))}")
    print_record(console, _record(table))
    return table


def print_absent(cases: Sequence[CaseScores], console: Console) -> None:
    """Name the cases whose reference lacks a class, with the rule by which they enter the means all the same."""
    for one in EVALUATION_CLASSES:
        names = [case.name for case in cases if one.name in case.absent]
        if names:
            rule = "it scores 1 where none was found, else 0, as in KiTS"
            console.print(f"No {one.name} in the reference of {escape(', '.join(names))}: {rule}.", style="yellow")


def _pretty(table: Table) -> RichTable:
    pretty = RichTable(*(column.replace("_", "\n", 1) for column in COLUMNS))
    for name, *scores in table.rows:
        style = "bold" if name == table.mean.name else None
        pretty.add_row(escape(str(name)), *(f"{value:.4f}" for value in scores), style=style)
    return pretty


def _record(table: Table) -> dict[str, object]:
    *cases, mean = (dict(zip(COLUMNS, row, strict=True)) for row in table.rows)
    return {
        "cases": cases,
        "mean": mean,
        "kits19_composite": table.mean.kits19_composite,
        "unpaired": [str(path) for path in table.unpaired],
        "failed": dict(table.failed),
    }
