import subprocess
import sys

import pytest
import torch

from napari_kidney_seg.core import device
from napari_kidney_seg.core.device import check_memory, choose_device, choose_engine, free_memory, network_memory
from napari_kidney_seg.core.errors import InsufficientMemoryError, KidneySegError


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert choose_device("auto") == "cuda"
    assert choose_device("cuda:1") == "cuda:1"


def test_auto_takes_the_cpu_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    assert choose_device("auto") == "cpu"


def test_absent_device_is_refused_with_those_present(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(KidneySegError, match=r"'cuda:3' was asked for; this machine has cuda, cuda:0, cpu"):
        choose_device("cuda:3")


@pytest.mark.parametrize(
    ("system", "has_driver", "offered"),
    [
        ("linux", True, ("auto", "cpu", "cuda")),
        ("linux", False, ("auto", "cpu")),
        ("win32", False, ("auto", "cpu", "cuda")),  # where the driver cannot be seen as a file
        ("darwin", False, ("auto", "cpu", "mps")),
    ],
)
def test_a_machine_is_offered_the_devices_it_can_have(monkeypatch, tmp_path, system, has_driver, offered):
    monkeypatch.setattr(device.sys, "platform", system)
    monkeypatch.setattr(device, "_CARD_DRIVERS", (str(tmp_path if has_driver else tmp_path / "none"),))

    assert device.offered_devices() == offered


def test_unknown_device_is_refused():
    with pytest.raises(KidneySegError, match="Found the device 'gpu'"):
        choose_device("gpu")


@pytest.mark.parametrize(
    ("installed", "where", "expected"), [(True, "cpu", "openvino"), (True, "cuda", "torch"), (False, "cpu", "torch")]
)
def test_auto_engine_is_openvino_on_a_cpu_that_has_it(monkeypatch, installed, where, expected):
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: object() if installed else None)

    assert choose_engine("auto", where) == expected


@pytest.mark.parametrize(
    ("wanted", "where", "installed", "words"),
    [
        ("tensorrt", "cpu", True, "Found the engine 'tensorrt'"),
        ("openvino", "cuda", True, "runs on the CPU; found the device 'cuda'"),
        ("openvino", "cpu", False, "pip install"),
    ],
)
def test_engine_that_cannot_run_is_refused_with_advice(monkeypatch, wanted, where, installed, words):
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: object() if installed else None)

    with pytest.raises(KidneySegError, match=words):
        choose_engine(wanted, where)


def test_network_memory_follows_from_the_width_at_full_size():
    state = {"deep": torch.zeros(64, 32, 3, 3, 3), "entry": torch.zeros(8, 1, 1, 3, 3), "bias": torch.zeros(8)}
    parameters = 64 * 32 * 27 + 8 * 9 + 8

    assert network_memory(state, (2, 10, 10)) == 4 * (200 * 8 * 5 + parameters)


def test_network_memory_finds_the_entry_by_the_channels_of_the_input():
    state = {"deep": torch.zeros(64, 32, 3, 3, 3), "entry": torch.zeros(8, 2, 1, 3, 3)}
    parameters = 64 * 32 * 27 + 8 * 2 * 9

    assert network_memory(state, (2, 10, 10), channels=2, value_bytes=2) == 2 * 200 * 8 * 5 + 4 * parameters


def test_work_that_cannot_fit_is_refused_before_it_starts(monkeypatch):
    monkeypatch.setattr(device, "free_memory", lambda where: 2 * 2**30)

    check_memory(2 * 2**30, "cpu", "stage 'kidney'")
    with pytest.raises(InsufficientMemoryError, match=r"Stage 'kidney' needs .* 3\.0 GiB; 'cpu' has 2\.0 GiB free"):
        check_memory(3 * 2**30, "cpu", "stage 'kidney'")


def test_free_memory_of_this_machine_is_a_plausible_number_of_bytes():
    assert 2**24 < free_memory("cpu") < 2**50


def test_importing_the_module_does_not_import_torch():
    code = "import sys, napari_kidney_seg.core.device; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
