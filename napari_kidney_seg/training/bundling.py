"""From finished runs to one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.bundle import Bundle, Card, describe_stage, save_bundle
from napari_kidney_seg.training.run_folder import weights_of_stage

SMOKE_WARNING = "These weights have the sizes of the preset 'smoke', for trying a training out: their masks are no use."

RECORDED_PACKAGES = ("napari-kidney-seg", "torch", "monai", "lightning", "numpy")


def bundle_runs(method: Method, runs: Mapping[str, list[Path]], path: Path, facts: Mapping[str, Any]) -> Bundle:
    """Write the best weights of `runs` as one bundle to `path` and return it.

    Parameters
    ----------
    method : Method
        With the preset the runs were trained at.
    runs : mapping of stage name to its run folders, one per member
    path : Path
    facts : mapping
        Fields of `io.bundle.Card` that only the maker knows: ``training_data``, ``licence``, ``training``, ``scores``,
        ``limits``.

    Raises
    ------
    DatasetError
        When a run has no trained weights.
    BundleError
        When a run trained its stage in other sizes.
    """
    weights = {stage.name: [weights_of_stage(stage, folder) for folder in runs[stage.name]] for stage in method.stages}
    return write_bundle(method, weights, path, facts)


def write_bundle(
    method: Method, weights: Mapping[str, list[dict[str, torch.Tensor]]], path: Path, facts: Mapping[str, Any]
) -> Bundle:
    """Write `weights` (stage name to state dictionaries, one per member) as a bundle for `method` and return it."""
    warning = {"warning": SMOKE_WARNING} if method.preset == "smoke" else {}
    card = Card(
        method=method.name,
        preset=method.preset,
        stages={stage.name: describe_stage(stage) for stage in method.stages},
        members={name: len(members) for name, members in weights.items()},
        versions=_versions(),
        **(warning | dict(facts)),
    )
    return save_bundle(path, weights, card)


def _versions() -> dict[str, str]:
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # running from a source tree
            found[package] = "unknown"
    return found
