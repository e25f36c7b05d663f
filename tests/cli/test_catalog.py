"""Methods and models are listed with what a person needs to choose one."""

from __future__ import annotations

from hashlib import sha256

from napari_kidney_seg.methods import REGISTRY


def test_every_registered_method_is_listed_with_its_paper_and_stages(call):
    (record,) = call("methods", "--json").records

    assert [one["name"] for one in record["methods"]] == list(REGISTRY)
    method = record["methods"][0]
    assert method["paper"]["url"].startswith("http")
    assert [stage["name"] for stage in method["stages"]] == ["coarse", "kidney", "lesion"]


def test_methods_read_as_text(call):
    outcome = call("methods")

    assert "resunet-2.5d" in outcome.out
    assert "kidney, tumor, cyst" in outcome.out
    assert "averagings single, single+TTA, paper" in outcome.out
    assert "preset compact: coarser and narrower" in outcome.out


def test_a_model_is_listed_with_scores_data_licence_and_hash(bundle, call):
    (record,) = call("models", "--json").records

    (model,) = record["models"]
    assert model["sha256"] == sha256(bundle.read_bytes()).hexdigest()
    assert model["card"]["scores"] == {"phantoms": {"kidney": 0.95}}
    assert (model["card"]["licence"], model["origin"]) == ("CC0-1.0", "your own")


def test_models_read_as_text(bundle, call):
    outcome = call("models")

    assert "licence CC0-1.0" in outcome.out
    assert "Not a medical device" in outcome.out
    assert "phantoms: kidney 0.95" in outcome.out


def test_a_damaged_model_is_told_instead_of_hidden(bundle, models, call):
    (models / "broken.safetensors").write_bytes(b"no weights")

    (record,) = call("models", "--json").records

    errors = [model["error"] for model in record["models"] if "error" in model]
    assert len(errors) == 1
    assert "broken.safetensors" in errors[0]


def test_without_models_the_list_says_so(models, call):
    assert "No trained weights are installed" in call("models").out


def test_the_cost_of_a_method_is_told(call):
    outcome = call("cost", "resunet-2.5d", "--preset", "smoke", "--json")

    (record,) = outcome.records
    assert outcome.code == 0
    assert 1e8 < record["flop"] < 1e12
    assert record["seconds"] > 0
