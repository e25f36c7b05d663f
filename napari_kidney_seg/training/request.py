"""What a training is asked to do: plain data that the command line, the window and a run folder share. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from napari_kidney_seg.core.errors import DatasetError

VALIDATION_SHARE = 0.2  # one fold of five
SPLIT_SEED = 0
LASTING = ("method", "preset", "stage")  # what a resumed training has in common with the one it continues


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What to train, on what, and where to.

    Attributes
    ----------
    method, preset : str
    stage : str or None
        None trains all stages, one after the other.
    data : str
        Folder of labeled cases, or ``phantoms:200``.
    output : Path
        Run folder of the stage; for all stages, the folder of their run folders.
    epochs : int or None
        Of each stage; None takes those of its recipe.
    device : ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``
    init : bundle whose weights to start from, or None
    trunk : file of a trunk that others have trained, to start from where a stage has one, or None
    bundle : file to write when every stage has weights, or None
    """

    method: str
    preset: str
    stage: str | None = None
    data: str
    output: Path
    epochs: int | None = None
    device: str = "auto"
    init: Path | None = None
    trunk: Path | None = None
    bundle: Path | None = None

    def __post_init__(self) -> None:
        if self.init is not None and self.trunk is not None:
            raise DatasetError(
                f"Found the bundle {self.init.name!r} and the trunk {self.trunk.name!r} to start from; a bundle has "
                "its own trunk. Give one of them."
            )

    def run_folder(self, stage: str) -> Path:
        """Return the run folder of `stage`, one of those to train."""
        return self.output if self.stage else self.output / stage

    def record(self) -> dict[str, str | int]:
        """Return the request as JSON values, without what was left open."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: value if isinstance(value, int) else str(value) for name, value in given.items()}

    @classmethod
    def from_record(cls, record: Mapping[str, str | int], output: Path) -> TrainingRequest:
        """Return the request that `record` was made of; the folder it lies in may have been moved to `output`.

        Raises
        ------
        DatasetError
            When `record` is none.
        """
        try:
            return cls(
                method=str(record["method"]),
                preset=str(record["preset"]),
                stage=_text(record.get("stage")),
                data=str(record["data"]),
                output=output,
                epochs=int(record["epochs"]) if "epochs" in record else None,
                device=str(record.get("device", "auto")),
                init=_path(record.get("init")),
                trunk=_path(record.get("trunk")),
                bundle=_path(record.get("bundle")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(
                f"The record of the run in {str(output)!r} is damaged ({error!r}). Start in an empty folder."
            ) from error

    def continuing(self, before: TrainingRequest) -> TrainingRequest:
        """Return this request with what it leaves open as it was in `before`.

        Raises
        ------
        DatasetError
            When method, preset or stage are others.
        """
        for name in LASTING:
            if getattr(self, name) != getattr(before, name):
                raise DatasetError(
                    f"The training in {str(self.output)!r} was started with {name} {_said(getattr(before, name))}; now "
                    f"it is {_said(getattr(self, name))}. Resume with what it was started with, or choose an empty "
                    "folder."
                )
        return replace(
            self,
            epochs=self.epochs or before.epochs,
            init=self.init or before.init,
            trunk=self.trunk or before.trunk,
            bundle=self.bundle or before.bundle,
        )


def _said(value: str | None) -> str:
    return repr(value) if value is not None else "all stages"


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _path(value: str | int | None) -> Path | None:
    return None if value is None else Path(str(value))


def training_name(method: str, preset: str, stage: str | None, when: datetime) -> str:
    """Return a name that no other training has, e.g. ``"resunet-2.5d-compact-20260131-154500"``."""
    return "-".join((method, preset, *([stage] if stage else []), f"{when:%Y%m%d-%H%M%S}"))
