"""What made the mask on a scan, in words. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from napari_kidney_seg.core.errors import UnknownMethodError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.io.sidecar import EDITED
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.widgets.saving import GIVEN, MadeBy, given_notice, record_beside

BY_HAND = (EDITED.code, GIVEN)  # notices that tell a person's part


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a mask comes from.

    Attributes
    ----------
    text : str
        Sentences; empty for a mask drawn by hand.
    warnings : tuple of Notice
        Of the run that made it.
    """

    text: str = ""
    warnings: tuple[Notice, ...] = ()


def origin_of(made_by: MadeBy) -> Origin:
    """Return what made a mask: the run of this session, or what the record beside the file it was opened from says."""
    if made_by.run is not None:
        run, choice = made_by.run, made_by.run.choice
        notices = (*run.result.notices, *map(given_notice, run.given))
        return _origin(f"Made by {_in_words(choice.method, choice.preset, run.finished.isoformat())}.", notices)
    if made_by.opened_from is None:
        return Origin()
    opened, record = f"Opened from {made_by.opened_from.name}", record_beside(made_by.opened_from)
    if record is None:
        return Origin(text=f"{opened}.")
    return _origin(f"{opened}, made by {_in_words(record.method, record.preset, record.finished)}.", record.notices)


def _origin(first: str, notices: Iterable[Notice]) -> Origin:
    told = tuple(notices)
    return Origin(
        text=" ".join((first, *(one.text for one in told if one.code in BY_HAND))),
        warnings=tuple(one for one in told if one.level == "warning"),
    )


def _in_words(name: str, preset: str, finished: str) -> str:
    """Return a method's title, its preset and the minute when it was done (of an ISO 8601 time, where known)."""
    try:
        title = get_method(name, preset).title
    except UnknownMethodError:
        title = name  # of another version of this package
    return ", ".join(filter(None, (title, preset, str(finished)[:16].replace("T", " "))))
