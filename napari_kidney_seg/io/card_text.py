"""The figures on a bundle's card as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def score_lines(scores: Mapping[str, Any]) -> list[str]:
    """Return the figures of a card, each group of them in a line of its own: ``"24 phantoms: kidney 0.954"``."""
    return [line for name, value in scores.items() for line in _lines(name, value)]


def mean_lines(scores: Mapping[str, Any]) -> list[str]:
    """Return the lines of those groups that are the means over a set of scans, not scan by scan."""
    is_scan_by_scan = {name: any(isinstance(v, Mapping) for v in _values(group)) for name, group in scores.items()}
    return score_lines({name: group for name, group in scores.items() if not is_scan_by_scan[name]})


def _values(group: Any) -> list[Any]:
    return list(group.values()) if isinstance(group, Mapping) else []


def _lines(name: str, value: Any) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{name}: {_rounded(value)}"]
    groups = {key: one for key, one in value.items() if isinstance(one, Mapping)}
    plain = ", ".join(_figure(key, one) for key, one in value.items() if key not in groups)
    lines = [f"{name}: {plain}"] if plain else []
    for key, group in groups.items():
        lines += _lines(f"{name}, {key}", group)
    return lines


def _figure(key: str, value: Any) -> str:
    """Return a figure in words, its unit behind it: ``lesion_ml`` 12 is ``"lesion 12 ml"``."""
    name = key.removesuffix("_ml")
    text = f"{name.replace('_', ' ')} {_rounded(value)}"
    return text if name == key else f"{text} ml"


def _rounded(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
