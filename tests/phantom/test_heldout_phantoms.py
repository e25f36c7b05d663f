import importlib.util
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / "benchmarks" / "heldout_phantoms.py"


@pytest.fixture(scope="module")
def heldout():
    spec = importlib.util.spec_from_file_location("heldout_phantoms", MODULE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_held_out_phantoms_are_fixed(heldout, tmp_path):
    rows = [f"case_{number:05d},{'validation' if number % 2 else 'train'}" for number in range(60)]
    (tmp_path / "kits23_labels.csv").write_text("\n".join(["case,split", *rows]))

    cases = heldout.heldout_cases(tmp_path)

    assert [case.case for case in cases[:3]] == ["case_00001", "case_00003", "case_00005"]
    assert len(cases) == 24
    assert [case.seed for case in cases[:2]] == [1, 3]
    assert [case.phase for case in cases[:5]] == [*heldout.PHASES, "non-contrast"]
    assert [case.slice_thickness_mm for case in cases[:6]] == [1.0, 1.5, 2.5, 3.0, 5.0, 1.0]


def test_the_table_of_kits_gives_the_documented_cases(heldout, shared_data):
    cases = heldout.heldout_cases(shared_data)

    assert (cases[0].case, cases[23].case) == ("case_00003", "case_00233")
