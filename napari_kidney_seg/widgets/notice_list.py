"""Notices that stay where the work is: a toast is gone before it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.widgets.layout import clear, flush_column, wrapped_label

EDGE_COLORS = {"info": "#3a86c8", "warning": "#d99a1c", "error": "#d64545"}
NOTHING_TO_DO: Mapping[str, Callable[[], None]] = MappingProxyType({})
ERROR = "error"  # level of a notice that tells why work failed


class NoticeList(QWidget):
    """What a person should know, newest last, each once, until the next run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = flush_column(self)
        self._notices: list[Notice] = []
        self.hide()

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Those shown."""
        return tuple(self._notices)

    def add(self, notice: Notice, *, remedies: Mapping[str, Callable[[], None]] = NOTHING_TO_DO) -> None:
        """Show `notice`, once.

        Parameters
        ----------
        notice : Notice
        remedies : callables by the text of their button
            What the person can do about it with one click.
        """
        if notice.text in [shown.text for shown in self._notices]:
            return
        self._notices.append(notice)
        self._rows.addWidget(_row(notice, remedies))
        self.show()

    def add_error(self, code: str, text: str) -> None:
        """Show why work failed."""
        self.add(Notice(code=code, text=text, level=ERROR))

    def clear(self) -> None:
        """Show none."""
        self._notices.clear()
        clear(self._rows)
        self.hide()


def _row(notice: Notice, remedies: Mapping[str, Callable[[], None]]) -> QFrame:
    frame = QFrame()
    frame.setObjectName("notice")
    color = EDGE_COLORS.get(notice.level, EDGE_COLORS["warning"])
    frame.setStyleSheet(f"#notice {{ border-left: 4px solid {color}; }}")
    row, buttons = QHBoxLayout(frame), QVBoxLayout()
    row.setContentsMargins(8, 2, 2, 2)
    row.addWidget(wrapped_label(notice.text), stretch=1)
    for text, act in remedies.items():
        button = QPushButton(text)
        button.clicked.connect(act)
        buttons.addWidget(button)
    row.addLayout(buttons)
    return frame
