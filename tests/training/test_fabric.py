import pytest
import torch

from napari_kidney_seg.core.device import computes_bfloat16
from napari_kidney_seg.training import fabric
from napari_kidney_seg.training.fabric import make_fabric


@pytest.mark.parametrize(("capability", "expected"), [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_card_before_ampere_imitates_bfloat16(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    assert computes_bfloat16("cuda:1") is expected


@pytest.mark.parametrize(
    ("device", "native", "settings"),
    [
        ("cuda:1", True, {"accelerator": "cuda", "devices": [1], "precision": "bf16-mixed"}),
        ("cuda", False, {"accelerator": "cuda", "devices": 2, "precision": "16-mixed"}),
        ("cpu", True, {"accelerator": "cpu", "devices": 2, "precision": "32-true"}),
    ],
)
def test_device_and_precision_as_fabric_names_them(monkeypatch, device, native, settings):
    made = {}

    class Recorder:
        def __init__(self, **named):
            made.update(named)

        def launch(self):
            made["launched"] = True

    monkeypatch.setattr(fabric, "Fabric", Recorder)
    monkeypatch.setattr(fabric, "choose_device", lambda wanted: wanted)
    monkeypatch.setattr(fabric, "computes_bfloat16", lambda wanted: native)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)

    _, scales = make_fabric(device, 2, "auto")

    assert made == {**settings, "launched": True}
    assert scales == (settings["precision"] == "16-mixed")
