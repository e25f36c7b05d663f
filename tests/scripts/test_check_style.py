from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_style.py"


def check(root: Path, source: str) -> tuple[int, str]:
    """Run the report over a package of one module; return its exit code and what it printed."""
    (root / "napari_kidney_seg").mkdir()
    (root / "napari_kidney_seg" / "module.py").write_text(source, encoding="utf-8")
    run = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


def function_of(lines: int) -> str:
    """Return a documented function whose body has `lines` lines, besides signature and docstring."""
    return 'def work(\n    one,\n):\n    """Work.\n\n    Long.\n    """\n' + "    one += 1\n" * lines


def test_a_body_of_50_lines_passes(tmp_path):
    code, report = check(tmp_path, function_of(50))

    assert code == 0
    assert "longest 50" in report


def test_a_body_of_51_lines_fails_and_is_named(tmp_path):
    code, report = check(tmp_path, function_of(51))

    assert code == 1
    assert "module.py:1 work: 51 lines" in report


def test_a_file_of_301_lines_fails_and_is_named(tmp_path):
    code, report = check(tmp_path, function_of(1) + "\n" * (301 - 8))

    assert code == 1
    assert "module.py: 301 lines" in report


def test_only_public_functions_need_a_docstring(tmp_path):
    in_function = "def shown():\n    def inner():\n        pass\n"
    hidden = "def _hidden():\n    pass\n\nclass _Hidden:\n    def run(self):\n        pass\n"

    code, report = check(tmp_path, in_function + hidden)

    assert code == 0
    assert "1 public functions and methods without a docstring\n    napari_kidney_seg/module.py:1 shown" in report
