"""What people see: progress with the time left, notices, tables. Quiet when a machine reads."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from napari_kidney_seg.core import events

Result = TypeVar("Result")
PIPE_WIDTH = 1000  # columns where no terminal shows them: a path must not be broken in a log
Events = Generator[events.Event, None, Result]


def people_console(*, as_json: bool) -> Console:
    """Return the console for people; with `as_json` it says nothing, and `print_record` speaks instead."""
    console = Console(quiet=as_json)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def print_record(console: Console, record: Mapping[str, Any]) -> None:
    """Print `record` as one line of JSON where a machine reads, that is, where `console` is quiet."""
    if console.quiet:
        typer.echo(json.dumps(record))


def print_notice(console: Console, title: str, notice: events.Notice) -> None:
    """Print a notice about what `title`, already escaped, names."""
    style = "yellow" if notice.level == "warning" else "dim"
    console.print(f"{title}: {escape(notice.text)}", style=style)


def follow(work: Events[Result], title: str, console: Console) -> Result:
    """Run `work` to its end, showing stage, progress and time left; return its result."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = _Bar(progress, progress.add_task(escape(title), total=1.0), escape(title))
        while True:
            try:
                bar.show(next(work))
            except StopIteration as end:
                result: Result = end.value
                return result


@dataclass(frozen=True)
class _Bar:
    """The line of one piece of work."""

    progress: Progress
    task: TaskID
    title: str

    def show(self, event: events.Event) -> None:
        """Show one event: progress on the bar, everything else as a line above it."""
        if isinstance(event, events.Progress):
            stage = f"{event.stage} {event.done}/{event.total}"
            self.progress.update(self.task, completed=event.fraction, description=f"{self.title}: {escape(stage)}")
        elif isinstance(event, events.Notice):
            print_notice(self.progress.console, self.title, event)
        elif isinstance(event, events.EpochDone):
            self.progress.console.print(escape(_epoch_line(event)))


def _epoch_line(event: events.EpochDone) -> str:
    scores = "".join(f", {name} {score:.3f}" for name, score in event.scores.items())
    best = " (best)" if event.best else ""
    left = f"{event.seconds_left / 60:.0f} min left"
    return f"{event.stage} epoch {event.epoch}/{event.epochs}: loss {event.loss:.4f}{scores}{best}, {left}"
