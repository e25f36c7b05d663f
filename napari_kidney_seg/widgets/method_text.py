"""A method in words: idea, paper, classes, passes and training data, as rich text for the widget."""

from __future__ import annotations

from html import escape
from pathlib import Path

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.bundle import read_card
from napari_kidney_seg.io.card_text import mean_lines, score_lines

LINK = "#4d94ff"  # readable on napari's dark and light theme; Qt's own blue is not on dark


def method_text(method: Method, bundle: Path | None) -> str:
    """Return what a person should know before choosing `method` with the weights in `bundle`."""
    paper = method.paper
    link = f'<a href="{escape(paper.url)}" style="color:{LINK}">{escape(paper.title)}</a>'
    return (
        f"<p>{escape(method.idea)}</p>"
        f"<p><b>Paper</b> {escape(paper.authors)}: {link}. {escape(paper.venue)} ({escape(paper.challenge)}).</p>"
        f"<p><b>Finds</b> {classes_text(method)}</p>"
        f"<p><b>Computes</b> {cost_text(method, bundle)}</p>"
        f"{weights_text(bundle)}"
    )


def classes_text(method: Method) -> str:
    """Return the classes the method finds, and which of all it does not know."""
    missing, text = " or ".join(method.schema.others(method.classes)), ", ".join(method.classes)
    return f"{text}; it knows no {missing}" if missing else text


def cost_text(method: Method, bundle: Path | None) -> str:
    """Return how much a run has to compute: networks, passes per window, size of the weights."""
    passes = " + ".join(str(1 + len(stage.mirrors)) for stage in method.stages)
    text = f"{len(method.stages)} network{'s' if len(method.stages) > 1 else ''}, {passes} passes per window"
    return f"{text}; weights {bundle.stat().st_size / 1e6:.1f} MB" if bundle and bundle.is_file() else text


def weights_text(bundle: Path | None) -> str:
    """Return what the weights in `bundle` were trained on, what was measured with them, and where they fail."""
    if bundle is None:
        return "<p><b>Trained on</b> nothing yet: there are no weights</p>"
    try:
        card = read_card(bundle)
    except BundleError as error:
        return f"<p>{escape(str(error))}</p>"
    parts = {
        "Trained on": " ".join(part for part in (card.training_data, card.licence) if part),
        "Measured (Dice, ml)": "; ".join(score_lines(card.scores)),
        "Limits": card.limits,
    }
    return "".join(f"<p><b>{title}</b> {escape(text)}</p>" for title, text in parts.items() if text)


def weights_warning(bundle: Path | None) -> str:
    """Return what has to be known of every mask made with `bundle`; empty where there is nothing."""
    try:
        return read_card(bundle).warning if bundle is not None else ""
    except BundleError:
        return ""


def measured_text(bundle: Path | None) -> str:
    """Return the mean figures on the card of `bundle`, in a line, or that there are none; empty without a card."""
    if bundle is None:
        return ""
    try:
        card = read_card(bundle)
    except BundleError:
        return ""  # `weights_text` tells what is wrong with it
    if not card.is_measured:
        return "Not validated: nobody knows how good this model is."
    lines = mean_lines(card.scores)
    return f"Measured Dice, {'; '.join(lines)}" if lines else ""
