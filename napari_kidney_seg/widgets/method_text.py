"""A method in words: idea, paper, classes, stages and cost, as rich text for the widget."""

from __future__ import annotations

from html import escape
from pathlib import Path

from napari_kidney_seg.core.method import Method, Stage


def method_text(method: Method, bundle: Path | None) -> str:
    """Return what a person should know before choosing `method` with the weights in `bundle`."""
    paper = method.paper
    stages = "".join(f"<li>{_stage_text(stage)}</li>" for stage in method.stages)
    return (
        f"<p>{escape(method.idea)}</p>"
        f'<p><b>Paper</b> {escape(paper.authors)}: <a href="{escape(paper.url)}">{escape(paper.title)}</a>. '
        f"{escape(paper.venue)} ({escape(paper.challenge)}).</p>"
        f"<p><b>Finds</b> {', '.join(method.classes)}</p>"
        f"<p><b>Stages</b><ol>{stages}</ol></p>"
        f"<p><b>Cost</b> {cost_text(method, bundle)}</p>"
    )


def cost_text(method: Method, bundle: Path | None) -> str:
    """Return how much a run has to compute: networks, passes per window, size of the weights."""
    passes = " + ".join(str(1 + len(stage.mirrors)) for stage in method.stages)
    text = f"{len(method.stages)} networks, {passes} passes per window"
    return f"{text}; weights {bundle.stat().st_size / 1e6:.1f} MB" if bundle and bundle.is_file() else text


def _stage_text(stage: Stage) -> str:
    window = " x ".join(str(n) for n in stage.window)
    classes = ", ".join(name for name in stage.classes if name != "background")
    return f"{escape(stage.title)}: {escape(classes)}; windows of {window} voxels"
