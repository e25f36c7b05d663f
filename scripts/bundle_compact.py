"""Bundle the trained stages of a method's compact preset with its card.

For example::

    python scripts/bundle_compact.py resunet-2.5d --runs runs --scores scores.json \
        --output napari_kidney_seg/models/resunet-2.5d.safetensors
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_kidney_seg.core.method import Method, Stage
from napari_kidney_seg.io.bundle import Bundle, load_bundle
from napari_kidney_seg.methods import DEFAULT, REGISTRY, get_method
from napari_kidney_seg.training.bundling import write_bundle
from napari_kidney_seg.training.run_folder import RunFolder, weights_of_stage

TRAINING_DATA = (
    "Synthetic CT only, rendered by napari_kidney_seg.phantom around training label maps of KiTS23 (Heller et al., "
    "kits-challenge.org) and whole-body maps of TotalSegmentator (Wasserthal et al.): {phantoms} "
    "(docs/bundled-model.md). No real scan was trained on; candidates were compared on the real scans scored below. "
    "Epochs were chosen on phantoms of other patients; bodies of whole-body maps were few and partly shared, so the "
    "validation Dice below is optimistic."
)
PHANTOMS = "those named in the training record, from random weights"
PHANTOMS_OF = {
    "resunet-2.5d": (
        "400 phantoms, and for the kidney and lesion stages 133 more, most with grown tumors and cysts, for the lesion "
        "stage then 225 others, 150 of them so grown, and 290 more, 160 of them so grown, from weights of earlier "
        "versions that had seen some 100 to 370 others. The lesion stage saw the reference's kidneys in training and "
        "validation, later one at a time, in its last run those that the kidney stage finds"
    ),
    "masses-net": (
        "400 phantoms and 133 more, most with grown tumors and cysts, from random weights, for some two hours of a CPU "
        "core"
    ),
    "rcnn-vnet": (
        "the first 332 of 400 phantoms and 133 more, most with grown tumors and cysts, from random weights, for some "
        "three hours of a CPU core"
    ),
    "bisc-unet": (
        "the first 332 of 400 phantoms and 133 more, most with grown tumors and cysts, from random weights, for some "
        "three hours of a CPU core"
    ),
    "boundary-aware": (
        "the first 153 of 400 phantoms and 133 more, most with grown tumors and cysts, from random weights, then 290 "
        "others, 160 of them so grown, for some five hours of a CPU core in all"
    ),
}
WARNINGS = {  # told at every run
    "masses-net": "These weights find kidneys, but hardly any tumor or cyst. Look for masses yourself.",
    "rcnn-vnet": (
        "These weights are unfinished. Without contrast they miss half of the kidneys; they miss most tumors and mark "
        "some where there are none. Use them to see the method or to train on, not to measure."
    ),
    "bisc-unet": (
        "These weights are unfinished. They outline kidneys roughly, above all without contrast, and find hardly any "
        "tumor. Look for masses yourself."
    ),
    "boundary-aware": (
        "These weights are unfinished. Without contrast they call half of a kidney, or spleen and bowel, tumor; with "
        "contrast they mark tumors where there are none. Use them to see the method or to train on, not to measure."
    ),
}
LICENCE = (
    "Weights learned from phantoms shaped by labels of KiTS23 (CC BY-NC-SA 4.0) and TotalSegmentator (CC BY 4.0). "
    "Whether they inherit the non-commercial and share-alike terms is open: check before any commercial use."
)
LIMITS = (
    "Adults, native kidneys in their usual place, CT of the abdomen. Small lesions are missed; bowel, spleen or "
    "vessels can be called a lesion. Not tested on transplants, horseshoe kidneys, children or metal artefacts."
)
EARLY = " Trained for a small share of the paper's steps: a start for training of your own, not a tool for measuring."


def history(folder: Path) -> dict[str, Any]:
    """Return the command, epochs and best validation score of a run, and of the one it started from."""
    epochs = RunFolder(folder).epochs()
    best = max((epoch for epoch in epochs if epoch.scores), key=lambda epoch: epoch.scores["dice"])
    command = json.loads((folder / "command.json").read_text()) if (folder / "command.json").is_file() else {}
    facts: dict[str, Any] = {
        "command": command,
        "epochs": len(epochs),
        "best_epoch": best.epoch,
        "validation": best.scores,
    }
    earlier = Path(command.get("start_from", ""))
    return {**facts, "before": history(earlier)} if RunFolder(earlier).epochs() else facts


Made = tuple[list[dict[str, torch.Tensor]], Any]  # weights, one mapping per member, and how they came about


def stage_weights(stage: Stage, run: Path, before: Bundle | None, *, are_last: bool = False) -> Made:
    """Return the weights of a stage and how they were made: from its run, or as they were in the bundle `before`.

    Of a run they are those of its best validation epoch, or the last ones: a few validation windows can mislead.
    """
    if before is not None and not RunFolder(run).epochs():
        return before.members(stage.name), before.card.training[stage.name]
    facts, weights = history(run), weights_of_stage(stage, run)
    first = _first(facts)
    if before is not None and _began_from(first, before):
        first["before"] = before.card.training[stage.name]
    if are_last:
        weights, facts["weights"] = last_weights(run), "the last epoch's"
    return [weights], facts


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    """Return the weights with which a run ended."""
    weights: dict[str, torch.Tensor] = torch.load(RunFolder(run).last, weights_only=True)["network"]
    return weights


def _first(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of the run that the others went on from."""
    return _first(facts["before"]) if "before" in facts else facts


def _began_from(facts: dict[str, Any], before: Bundle) -> bool:
    return bool(facts["command"].get("start_sha256") == before.sha256)


def averaged(stage: str, run: Path, before: Bundle) -> Made:
    """Return the mean of the last weights of a run and those it started from, which are in `before`; and its history.

    For networks without batch normalization, whose running statistics would not be those of the mean.

    References
    ----------
    .. [1] Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, arXiv:2109.01903.
    """
    (start,), last = before.members(stage), last_weights(run)
    if any(name.endswith("running_mean") for name in start):
        raise SystemExit(f"Stage {stage!r} has batch normalization: its weights cannot be averaged.")
    mean = {name: (start[name].float() + last[name].float()) / 2 for name in start}
    facts = {name: fact for name, fact in history(run).items() if name not in ("best_epoch", "validation")}
    if not _began_from(facts, before):
        raise SystemExit(f"The run {str(run)!r} did not begin from {before.path.name!r}: their mean means nothing.")
    facts["weights"] = "mean of the last epoch's and those it started from; not validated"
    return [mean], facts | {"before": before.card.training[stage]}


def bundle_before(arguments: argparse.Namespace, method: Method) -> Bundle:
    """Return the bundle before, whose weights must fit the stages that go on with them; the others may have changed."""
    trained = {one.name for one in method.stages if RunFolder(arguments.runs / f"{method.name}-{one.name}").epochs()}
    kept = tuple(one for one in method.stages if one.name in arguments.average or one.name not in trained)
    return load_bundle(arguments.before, replace(method, stages=kept))


def main() -> None:
    """Write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=list(REGISTRY))
    parser.add_argument("--runs", type=Path, required=True, help="holds METHOD-STAGE for every stage")
    parser.add_argument("--before", type=Path, help="bundle whose weights stay for the stages without a run")
    parser.add_argument("--average", nargs="*", default=(), help="stages that are averaged with those of --before")
    parser.add_argument("--last", nargs="*", default=(), help="stages whose last weights count, not the best epoch's")
    parser.add_argument("--scores", type=Path, help="JSON written by benchmarks.bundled_model")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.average and not arguments.before:
        parser.error("--average needs --before, the bundle to average with")
    method = get_method(arguments.method, "compact")
    unknown = sorted({*arguments.average, *arguments.last} - {stage.name for stage in method.stages})
    if unknown:
        parser.error(f"There is no stage {unknown!r}")
    before = bundle_before(arguments, method) if arguments.before else None
    found: dict[str, Made] = {}
    for stage in method.stages:
        run = arguments.runs / f"{method.name}-{stage.name}"
        if before is not None and stage.name in arguments.average:
            found[stage.name] = averaged(stage.name, run, before)
        else:
            found[stage.name] = stage_weights(stage, run, before, are_last=stage.name in arguments.last)
    limits = LIMITS if method.name == DEFAULT else LIMITS + EARLY
    facts = {
        "training_data": TRAINING_DATA.format(phantoms=PHANTOMS_OF.get(method.name, PHANTOMS)),
        "licence": LICENCE,
        "limits": limits,
        "warning": WARNINGS.get(method.name, ""),
        "training": {"script": "docs/bundled-model.md", **{name: made for name, (_, made) in found.items()}},
        "scores": json.loads(arguments.scores.read_text()) if arguments.scores else {},
    }
    bundle = write_bundle(method, {name: weights for name, (weights, _) in found.items()}, arguments.output, facts)
    print(f"{bundle.path}: {bundle.path.stat().st_size / 1e6:.1f} MB, sha256 {bundle.sha256}")


if __name__ == "__main__":
    main()
