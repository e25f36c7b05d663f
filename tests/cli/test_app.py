"""The command line starts at once, and shows errors as their message alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from napari_kidney_seg import __version__
from napari_kidney_seg.cli.app import DEFAULT_METHOD
from napari_kidney_seg.methods import DEFAULT

COMMANDS = ("segment", "evaluate", "methods", "models", "demo", "doctor", "train", "bundle")
HEAVY = ("torch", "monai", "napari", "nibabel", "SimpleITK", "scipy", "numpy", "lightning", "rich.traceback")
LEARNING = {"torch", "torchvision", "monai", "lightning"}
# Runs the command line in a clean interpreter and prints, last, which of the heavy modules it loaded.
RUN = f"""
import sys
from napari_kidney_seg.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in {sorted({*HEAVY, *LEARNING})!r} if name in sys.modules])
"""


def lines_of_a_run(*arguments: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def seconds_for_help() -> float:
    """Return processor time, which other programs on the machine do not lengthen; where idle, wall time equals it."""
    before = os.times()
    subprocess.run([sys.executable, "-c", RUN, "--help"], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize("arguments", [["--help"], ["segment", "--help"], ["train", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    *shown, loaded = lines_of_a_run(*arguments)

    assert any("Usage:" in line for line in shown)
    assert loaded == "[]"


@pytest.mark.parametrize("arguments", [["methods"], ["methods", "--json"], ["models"]], ids=" ".join)
def test_listing_methods_and_models_loads_no_learning_library(arguments):
    *shown, loaded = lines_of_a_run(*arguments)

    assert any(DEFAULT in line for line in shown)
    assert LEARNING.isdisjoint(ast.literal_eval(loaded))


def test_help_answers_in_under_half_a_second():
    assert min(seconds_for_help() for _ in range(5)) < 0.5


def test_help_names_every_command(call):
    outcome = call("--help")

    assert all(f"  {name} " in outcome.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(call, command):
    outcome = call(command, "--help")

    assert outcome.code == 0
    assert "Usage:" in outcome.out


def test_the_default_method_is_that_of_the_registry():
    assert DEFAULT_METHOD == DEFAULT


def test_an_error_is_shown_as_its_message_without_a_traceback(call, tmp_path):
    outcome = call("segment", tmp_path, "--output", tmp_path / "out", "--method", "resnet")

    assert outcome.code == 1
    assert outcome.err.startswith("Error: No method is called 'resnet'. Choose one of 'resunet-2.5d'")
    assert "Traceback" not in outcome.err + outcome.out


def test_the_version_is_told():
    assert lines_of_a_run("--version")[0] == f"napari-kidney-seg {__version__}"
