"""What made the mask on a scan, in words. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.widgets.saving import MadeBy, record_beside

WARNING = "warning"  # level of a notice


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a mask comes from.

    Attributes
    ----------
    text : str
        A sentence; empty for a mask drawn by hand.
    warnings : tuple of Notice
        Of the run whose mask was opened again. Those of a run of this session stand where it was started.
    """

    text: str = ""
    warnings: tuple[Notice, ...] = ()


def origin_of(made_by: MadeBy) -> Origin:
    """Return what made a mask: the run of this session, or what the record beside the file it was opened from says."""
    if made_by.run is not None:
        choice = made_by.run.job.choice
        return Origin(text=f"Made by {choice.method} ({choice.preset}) at {made_by.run.finished:%H:%M}.")
    opened = made_by.opened_from
    if opened is None:
        return Origin()
    record = record_beside(opened)
    if record is None:
        return Origin(text=f"Opened from {opened.name}.")
    day = f" on {record.finished[:10]}" if record.finished else ""
    return Origin(
        text=f"Opened from {opened.name}, made by {record.method} ({record.preset}){day}.",
        warnings=tuple(notice for notice in record.notices if notice.level == WARNING),
    )
