"""The doctor says what is wrong and how to mend it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from napari_kidney_seg.cli import doctor
from napari_kidney_seg.cli.doctor import Check
from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.method import Method


def test_a_healthy_computer_gives_code_zero(monkeypatch, call):
    monkeypatch.setattr(doctor, "run_checks", lambda: iter([Check(name="Python", found="3.11")]))

    outcome = call("doctor")

    assert outcome.code == 0
    assert "All is well." in outcome.out


def test_a_warning_fails_nothing_but_all_is_not_well(monkeypatch, call):
    slow = Check(name="OpenVINO", found="not installed", status="warning", fix="pip install it")
    monkeypatch.setattr(doctor, "run_checks", lambda: iter([Check(name="Python", found="3.11"), slow]))

    outcome = call("doctor")

    assert outcome.code == 0
    assert "Everything works; the warnings" in outcome.out


def test_a_failed_check_gives_code_one_and_its_fix(monkeypatch, call):
    sick = Check(name="model", found="none", status="failed", fix="Train one.")
    monkeypatch.setattr(doctor, "run_checks", lambda: iter([sick]))

    outcome = call("doctor", "--json")

    assert outcome.code == 1
    assert outcome.records == [
        {"ok": False, "checks": [{"name": "model", "found": "none", "status": "failed", "fix": "Train one."}]}
    ]


def test_this_computer_is_checked_from_interpreter_to_model():
    checks = {check.name: check for check in doctor.run_checks()}

    assert checks["torch"].found == version("torch")
    assert checks["Python"].status == "ok"
    assert {"Qt binding", "display", "GPU", "OpenVINO", "memory", "napari manifest", "model"} <= checks.keys()
    assert all(check.fix for check in checks.values() if check.status != "ok")


def test_a_missing_package_is_to_be_installed():
    check = doctor.package_check("no-such-package-here")

    assert (check.status, check.fix) == ("failed", "pip install no-such-package-here")


@pytest.mark.parametrize(
    ("present", "status", "fix"),
    [
        ((), "warning", "pip install 'napari-kidney-seg[all]'"),
        (("PyQt6",), "ok", ""),
        (("PyQt6", "PySide6"), "warning", "pip uninstall PySide6"),
    ],
)
def test_exactly_one_qt_binding_is_right(monkeypatch, present, status, fix):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: name if name in present else None)

    check = doctor.qt_check()

    assert check.status == status
    assert fix in check.fix


def test_an_idle_nvidia_card_gets_a_torch_build_that_uses_it(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")

    check = doctor.gpu_check()

    assert check.status == "warning"
    assert "--index-url https://download.pytorch.org/whl/" in check.fix


def test_little_memory_is_told_in_gibibytes(monkeypatch):
    monkeypatch.setattr(doctor, "free_memory", lambda device: 3 * 2**30)

    assert doctor.memory_check() == Check(
        name="memory", found="3.0 GiB free", status="warning", fix="Close programs: 4 GiB are needed."
    )


def test_a_folder_that_is_not_there_yet_is_judged_by_its_parent(tmp_path):
    assert doctor.folder_check(tmp_path / "a" / "b").status == "ok"


def test_a_folder_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    def refuse(dir: Path) -> None:  # noqa: A002 - the argument of tempfile.TemporaryFile
        raise PermissionError("read-only")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)

    check = doctor.folder_check(tmp_path)

    assert check.status == "failed"
    assert check.fix == f"chmod u+w '{tmp_path}'"


def test_a_missing_model_is_told_with_the_advice_of_its_error():
    def find(method: Method) -> Path:
        raise BundleError(f"No bundle for {method.name}. Train one.")

    assert doctor.model_check(find).fix == "No bundle for resunet-2.5d. Train one."
