"""The check of labeled cases, as a table for people and as a record for machines."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from napari_kidney_seg.cli.console import follow, print_record
from napari_kidney_seg.training.data_check import COLUMNS, DataReport, check_data


def show_data_check(data: str, console: Console) -> bool:
    """Check the cases of `data`, print what was found, and return whether all can be trained on as they are.

    Raises
    ------
    DatasetError
        When no case is found.
    """
    report = follow(check_data(data), "check", console)
    print_record(console, asdict(report))
    console.print(_table(report))
    for case in report.faulty:
        for problem in case.problems:
            console.print(f"[red]{escape(case.name)}[/red]: {escape(problem)}")
    for remark in report.remarks:
        console.print(f"[yellow]{escape(remark)}[/yellow]")
    for line in report.summary():
        console.print(escape(line))
    return not report.faulty


def _table(report: DataReport) -> Table:
    table = Table(*COLUMNS)
    for case in report.cases:
        table.add_row(*(escape(cell) for cell in case.cells()))
    return table
