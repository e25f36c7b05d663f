"""Which process trains in a folder, and whether it still lives."""

from __future__ import annotations

import platform
from dataclasses import dataclass

SAME_CREATION_S = 60.0  # system clocks are set; a number of a process is not given again that soon


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """A process, told from later ones that got its number.

    Attributes
    ----------
    pid : int
    created : float
        Seconds since 1970.
    host : str
        Name of the computer.
    """

    pid: int
    created: float
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """Return the record of process `pid` of this computer, which may have ended already."""
        return cls(pid=pid, created=_creation(pid) or 0.0, host=platform.node())

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another computer, where its number cannot be looked up."""
        return self.host != platform.node()

    @property
    def is_alive(self) -> bool:
        """Whether it is still running on this computer."""
        if self.is_elsewhere:
            return False
        created = _creation(self.pid)
        return created is not None and abs(created - self.created) < SAME_CREATION_S


def _creation(pid: int) -> float | None:
    """Return when the process was created, seconds since 1970; None when it has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None
