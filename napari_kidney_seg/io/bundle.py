"""Model bundles: the trained weights of one method in one .safetensors file, with a card in its header.

Tensors are named ``<stage>/<member>/<parameter>``; a member is one model of an ensemble. Weights are kept in 16-bit
floats, those too large for them in 32 bits. The card is JSON under the key ``card`` of the safetensors metadata.
Pickles are never loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_kidney_seg.core.errors import BundleError, UnwritableImageError
from napari_kidney_seg.core.method import Method, Stage
from napari_kidney_seg.io.atomic import replacing

if TYPE_CHECKING:
    import torch

FORMAT = 1
SUFFIX = ".safetensors"
INTENDED_USE = "Research and annotation. Not a medical device; not for diagnosis."


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a bundle says about itself.

    Attributes
    ----------
    method, preset : str
        What the weights belong to.
    stages : mapping of stage name to its description (see `describe_stage`)
        Compared with the method on loading.
    members : mapping of stage name to the number of its models
    training_data, licence : str
        What it was trained on and under which terms.
    training : mapping
        Seeds, steps, recipe and script, enough to make it again.
    scores : mapping
        Measured figures by data set.
    versions : mapping of package to version
    limits : str
        What it cannot do.
    warning : str
        What a person has to know of every mask made with these weights: told at each run. Empty where there is nothing.
    intended_use : str
    format : int
    """

    method: str
    preset: str
    stages: Mapping[str, Mapping[str, Any]]
    members: Mapping[str, int]
    training_data: str
    licence: str
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    limits: str = ""
    warning: str = ""
    intended_use: str = INTENDED_USE
    format: int = FORMAT

    @property
    def is_measured(self) -> bool:
        """Whether anything was measured with the weights."""
        return any(map(_holds_a_figure, self.scores.values()))


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose header has been read.

    Attributes
    ----------
    path : Path
    card : Card
    """

    path: Path
    card: Card

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, hexadecimal."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def warning(self) -> str:
        """What is to be told at each run with these weights; empty where there is nothing."""
        return self.card.warning

    def members(self, stage: str) -> list[dict[str, torch.Tensor]]:
        """Return one state dictionary per model of `stage`: float32, and counters as they are.

        Raises
        ------
        BundleError
            When the bundle holds no weights for that stage.
        """
        from safetensors import safe_open

        states: dict[str, dict[str, torch.Tensor]] = {}
        with safe_open(self.path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - a safetensors handle is no mapping
                owner, _, rest = key.partition("/")
                member, _, parameter = rest.partition("/")
                if owner == stage:
                    tensor = file.get_tensor(key)
                    states.setdefault(member, {})[parameter] = tensor.float() if tensor.is_floating_point() else tensor
        if not states:
            raise BundleError(
                f"Bundle {self.path.name!r} holds no weights for stage {stage!r}; it holds "
                f"{sorted(self.card.stages)!r}. Choose a bundle of this method."
            )
        if len(states) != self.card.members.get(stage):
            raise BundleError(
                f"Bundle {self.path.name!r} holds {len(states)} models of stage {stage!r}; its card says "
                f"{self.card.members.get(stage)!r}. The file is damaged: download or bundle it again."
            )
        return [states[member] for member in sorted(states, key=lambda name: (len(name), name))]


def plain(value: Any) -> Any:
    """Return `value` as JSON values: records with their type's name, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, **{f.name: plain(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def describe_stage(stage: Stage) -> dict[str, Any]:
    """Return what must agree between a stage and the weights trained for it, as JSON values."""
    return {
        "classes": plain(stage.classes),
        "network": getattr(stage.network, "__name__", str(stage.network)),
        "network_args": plain(stage.network_args),
        "grid": plain(stage.grid),
        "intensity": plain(stage.intensity),
        "window": plain(stage.window),
        "activation": stage.activation,
    }


def differences(described: Mapping[str, Any], stage: Stage) -> Iterator[tuple[str, Any, Any]]:
    """Yield (what, as described, as it is now) wherever an earlier `describe_stage` differs from that of `stage`."""
    for key, now in describe_stage(stage).items():
        if described.get(key) != now:
            yield key, described.get(key), now


def _holds_a_figure(scores: Any) -> bool:
    """Return whether a number stands somewhere in the `scores` of a card."""
    if isinstance(scores, Mapping):
        return any(map(_holds_a_figure, scores.values()))
    return isinstance(scores, int | float)


def read_card(path: Path) -> Card:
    """Return the card of the bundle at `path`.

    Raises
    ------
    BundleError
        When the file is missing, damaged, of a newer format, or no bundle.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise BundleError(
            f"No bundle at {str(path)!r}. Give the path of a .safetensors file; `models` lists those known."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        return _card_from(json.loads(metadata["card"]), path)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(
            f"{path.name!r} is no model bundle or is damaged ({error}); needed a .safetensors file with a card in its "
            "header. Download or bundle it again."
        ) from error


def _card_from(record: dict[str, Any], path: Path) -> Card:
    if record.get("format", 0) > FORMAT:
        raise BundleError(
            f"{path.name!r} has bundle format {record['format']!r}; this version reads up to {FORMAT}. "
            "Update napari-kidney-seg."
        )
    known = {f.name for f in fields(Card)}
    return Card(**{key: value for key, value in record.items() if key in known})


def load_bundle(path: str | Path, method: Method) -> Bundle:
    """Return the bundle at `path` after checking its card against `method`.

    Raises
    ------
    BundleError
        When the file is damaged, or its card and the method disagree (both values are shown).
    """
    bundle = Bundle(Path(path), read_card(Path(path)))
    card = bundle.card
    if card.method != method.name:
        raise BundleError(
            f"Bundle {bundle.path.name!r} was trained for method {card.method!r}; {method.name!r} was asked for. "
            f"Choose method {card.method!r} or another bundle."
        )
    for stage in method.stages:
        _check_stage(bundle, stage)
    return bundle


def _check_stage(bundle: Bundle, stage: Stage) -> None:
    found = bundle.card.stages.get(stage.name)
    if found is None:
        raise BundleError(f"Bundle {bundle.path.name!r} has no stage {stage.name!r}. Train and bundle every stage.")
    for key, was, needed in differences(found, stage):
        raise BundleError(
            f"Bundle {bundle.path.name!r} (preset {bundle.card.preset!r}) has {key} = {was!r} in stage "
            f"{stage.name!r}; the method needs {needed!r}. Choose the preset the bundle was trained with."
        )


def check_new(path: Path) -> None:
    """Refuse to make a bundle that no widget or command would list, or in the place of another file.

    Raises
    ------
    BundleError
        When it would not be called ``NAME.safetensors``.
    UnwritableImageError
        When there is such a file already.
    """
    if path.suffix != SUFFIX:
        raise BundleError(f"Found {path.name!r} as the name of a bundle; needed one that ends in {SUFFIX}. Change it.")
    if path.exists():
        raise UnwritableImageError(f"{str(path)!r} is there already. Choose another name for it.")


def save_bundle(path: str | Path, weights: Mapping[str, Sequence[Mapping[str, torch.Tensor]]], card: Card) -> Bundle:
    """Write the weights of each stage's members with `card` to `path`, in half precision, and return the bundle.

    Raises
    ------
    BundleError
        When a weight is no number.
    UnwritableImageError
        When it cannot be written.
    """
    from safetensors.torch import save_file

    path = Path(path)
    tensors = {
        f"{stage}/{number}/{name}": _stored(f"{stage}/{number}/{name}", tensor.detach().cpu().contiguous())
        for stage, members in weights.items()
        for number, state in enumerate(members)
        for name, tensor in state.items()
    }
    with replacing(path) as part:
        save_file(tensors, part, metadata={"card": json.dumps(asdict(card))})
    return Bundle(path, read_card(path))


def _stored(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor as it is written: in half precision where it fits."""
    if not tensor.is_floating_point():
        return tensor
    if not tensor.isfinite().all():
        raise BundleError(f"The weights {name!r} hold values that are no numbers. Train the stage again.")
    half = tensor.half()
    return half if half.isfinite().all() else tensor.float()
