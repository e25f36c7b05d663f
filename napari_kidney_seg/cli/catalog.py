"""What can be run: the methods, and the trained weights on this computer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from napari_kidney_seg import methods
from napari_kidney_seg.cli.console import print_record
from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.bundle import Bundle, Card, read_card
from napari_kidney_seg.io.card_text import score_lines
from napari_kidney_seg.io.models import MODELS_FOLDER, list_bundles
from napari_kidney_seg.methods import PRESETS, get_method


def show_methods(console: Console) -> None:
    """Print every registered method: idea, paper, classes, stages, presets."""
    known = [get_method(name) for name in methods.REGISTRY]
    print_record(console, {"methods": [_method_record(method) for method in known]})
    for method in known:
        paper = method.paper
        console.print(f"[bold]{escape(method.name)}[/bold]  {escape(method.title)}")
        console.print(f"  {escape(method.idea)}")
        console.print(escape(f"  {paper.authors}: {paper.title}. {paper.venue}. {paper.url}"))
        console.print(f"  finds {', '.join(method.classes)}; presets {', '.join(method.presets)}{_averagings(method)}")
        for stage in method.stages:
            console.print(escape(f"  stage {stage.name}: {stage.title}"))
    for preset, meaning in PRESETS.items():
        console.print(f"preset [bold]{preset}[/bold]: {meaning}")


def show_cost(name: str, preset: str, console: Console) -> None:
    """Print the arithmetic of a method on a typical scan, and a rough guess of the seconds here.

    Raises
    ------
    UnknownMethodError
        When there is no such method or preset.
    """
    from napari_kidney_seg.inference.cost import expected_seconds, measured_matrix_rate, run_flop

    flop = run_flop(get_method(name, preset))
    seconds = expected_seconds(flop, measured_matrix_rate())
    print_record(console, {"method": name, "preset": preset, "flop": flop, "seconds": seconds})
    console.print(
        f"{escape(name)}, {escape(preset)}: {flop / 1e12:.1f} TFLOP for a typical scan, roughly {seconds:.0f} s"
    )


def show_models(console: Console) -> None:
    """Print every bundle on this computer with its card; one that cannot be read is told, not hidden."""
    cards = {path: _card_or_error(path) for path in list_bundles()}
    print_record(console, {"models": [_model_record(path, card) for path, card in cards.items()]})
    for path, card in cards.items():
        console.print(f"[bold]{escape(path.name)}[/bold]  {_origin(path)}")
        for line in _card_lines(path, card):
            console.print(escape(f"  {line}"))
    if not cards:
        console.print("No trained weights are installed. Train and bundle a method, or install the package again.")


def _method_record(method: Method) -> dict[str, object]:
    return {
        "name": method.name,
        "title": method.title,
        "idea": method.idea,
        "paper": asdict(method.paper),
        "classes": list(method.classes),
        "presets": list(method.presets),
        "averagings": [averaging.name for averaging in method.averagings],
        "stages": [{"name": stage.name, "title": stage.title} for stage in method.stages],
    }


def _averagings(method: Method) -> str:
    names = ", ".join(averaging.name for averaging in method.averagings)
    return f"; averagings {names}" if names else ""


def _card_or_error(path: Path) -> Card | str:
    try:
        return read_card(path)
    except BundleError as error:
        return str(error)


def _model_record(path: Path, card: Card | str) -> dict[str, object]:
    record: dict[str, object] = {"path": str(path), "origin": _origin(path)}
    if isinstance(card, str):
        return {**record, "error": card}
    return {**record, "sha256": Bundle(path, card).sha256, "card": asdict(card)}


def _card_lines(path: Path, card: Card | str) -> list[str]:
    if isinstance(card, str):
        return [card]
    return [
        f"method {card.method}, preset {card.preset}, {path.stat().st_size / 1e6:.1f} MB",
        f"trained on {card.training_data}",
        f"licence {card.licence}",
        *(score_lines(card.scores) if card.is_measured else ["not validated: nothing was measured with it"]),
        *([f"warning: {card.warning}"] if card.warning else []),
        *([f"limits: {card.limits}"] if card.limits else []),
        card.intended_use,
        f"sha256 {Bundle(path, card).sha256}",
    ]


def _origin(path: Path) -> str:
    return "bundled" if path.parent == MODELS_FOLDER else "your own"
