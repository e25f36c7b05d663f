from __future__ import annotations

import pytest

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.bundling import SMOKE_WARNING, write_bundle

FACTS = {"training_data": "none", "licence": "CC0-1.0", "scores": {"phantoms": {"kidney": 0.1}}}


@pytest.mark.parametrize(
    ("facts", "warning"), [({}, SMOKE_WARNING), ({"warning": "Kidneys alone."}, "Kidneys alone.")], ids=str
)
def test_weights_of_the_preset_smoke_say_at_each_run_that_their_masks_are_no_use(tmp_path, facts, warning):
    method = get_method("resunet-2.5d", "smoke")
    weights = {stage.name: [stage.network(**stage.network_args).state_dict()] for stage in method.stages}

    bundle = write_bundle(method, weights, tmp_path / "smoke.safetensors", FACTS | facts)

    assert bundle.warning == warning


def test_weights_of_other_presets_say_nothing_unless_their_maker_does(tmp_path):
    method = get_method("boundary-aware", "compact")
    weights = {stage.name: [stage.network(**stage.network_args).state_dict()] for stage in method.stages}

    assert write_bundle(method, weights, tmp_path / "compact.safetensors", FACTS).warning == ""
