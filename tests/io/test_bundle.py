from dataclasses import replace

import pytest
import torch

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.io import bundle as bundle_module
from napari_kidney_seg.io.bundle import load_bundle, read_card
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.bundling import write_bundle

FACTS = {"training_data": "two balls", "licence": "CC0"}


def test_weights_come_back_in_half_precision_by_stage_and_member(saved, weights, method):
    loaded = load_bundle(saved.path, method)

    assert len(loaded.members("kidney")) == 2
    for number in (0, 1):
        for name, tensor in weights["kidney"][number].items():
            torch.testing.assert_close(loaded.members("kidney")[number][name], tensor.half().float())


def test_the_card_travels_in_the_header(saved, method):
    card = read_card(saved.path)

    assert (card.method, card.preset, card.licence) == ("resunet-2.5d", "smoke", "CC0")
    assert card.members == {"coarse": 1, "kidney": 2, "lesion": 1}
    assert card.scores["phantoms"]["kidney"] == 0.5
    assert "not for diagnosis" in card.intended_use


def test_a_bundle_for_another_method_is_refused_with_both_names(saved, method):
    with pytest.raises(BundleError, match=r"'resunet-2.5d'; 'other' was asked"):
        load_bundle(saved.path, replace(method, name="other"))


def test_a_bundle_of_another_preset_is_refused_with_both_values(saved):
    with pytest.raises(BundleError, match=r"network_args = .*needs"):
        load_bundle(saved.path, get_method("resunet-2.5d", "compact"))


def test_other_intensity_steps_are_refused(saved, method):
    stage = method.stages[0]
    changed = replace(stage, intensity=(replace(stage.intensity[0], high=300),))

    with pytest.raises(BundleError, match="intensity"):
        load_bundle(saved.path, replace(method, stages=(changed, *method.stages[1:])))


@pytest.mark.parametrize("damage", ["truncated", "no card", "text", "missing"])
def test_damaged_files_are_said_to_be_damaged(saved, method, tmp_path, damage):
    path = tmp_path / "damaged.safetensors"
    if damage == "truncated":
        path.write_bytes(saved.path.read_bytes()[:5000])
    elif damage == "no card":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(1)}, path)
    elif damage == "text":
        path.write_text("not a bundle")

    with pytest.raises(BundleError, match=r"No bundle at|is no model bundle or is damaged"):
        load_bundle(path, method)


def test_a_newer_format_asks_for_an_update(saved, method, monkeypatch):
    monkeypatch.setattr(bundle_module, "FORMAT", 0)

    with pytest.raises(BundleError, match="Update napari-kidney-seg"):
        load_bundle(saved.path, method)


def test_weights_too_large_for_half_precision_and_counters_are_kept_as_they_are(method, weights, tmp_path):
    weights["coarse"][0] |= {"norm.running_var": torch.tensor([7e4]), "norm.steps": torch.tensor(100_000)}

    (loaded,) = write_bundle(method, weights, tmp_path / "large.safetensors", FACTS).members("coarse")

    assert loaded["norm.running_var"].item() == 7e4
    assert loaded["norm.steps"].item() == 100_000


def test_weights_that_are_no_numbers_are_not_bundled(method, weights, tmp_path):
    weights["lesion"][0]["head.bias"] = torch.tensor([torch.nan])

    with pytest.raises(BundleError, match=r"'lesion/0/head.bias' hold values that are no numbers"):
        write_bundle(method, weights, tmp_path / "broken.safetensors", FACTS)
    assert not (tmp_path / "broken.safetensors").exists()
