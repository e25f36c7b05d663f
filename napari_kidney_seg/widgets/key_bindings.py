"""Keys that act while a widget is open, and are given back when it closes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari.viewer


@dataclass(frozen=True, kw_only=True)
class Action:
    """What a key does: words for people, and the callable."""

    text: str
    act: Callable[[], None]


class ScopedKeys:
    """Keys of one viewer, bound from the beginning until `release`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    actions : mapping of key (e.g. ``"Shift-K"``) to Action
    """

    def __init__(self, viewer: napari.viewer.Viewer, actions: Mapping[str, Action]) -> None:
        self._viewer = viewer
        self.actions = actions
        self._before: dict[str, Any] = {
            key: viewer.bind_key(key, _bound(action), overwrite=True) for key, action in actions.items()
        }

    def release(self) -> None:
        """Bind each key to what it was bound to before."""
        for key, before in self._before.items():
            self._viewer.bind_key(key, before, overwrite=True)
        self._before = {}

    def help_text(self) -> str:
        """Return the keys and what they do, as the rows of an HTML table."""
        rows = (
            f"<tr><td><b>{key.replace('-', '+')}</b>&nbsp;&nbsp;</td><td>{action.text}</td></tr>"
            for key, action in self.actions.items()
        )
        return f"<table>{''.join(rows)}</table>"


def _bound(action: Action) -> Callable[[object], None]:
    def act(_viewer: object) -> None:
        action.act()

    return act
