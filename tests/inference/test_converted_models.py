from dataclasses import replace

import numpy as np
import openvino as ov
import pytest

from napari_kidney_seg.inference.engines import converted_models, openvino_engine
from napari_kidney_seg.inference.engines.converted_models import MODEL, kept_model
from napari_kidney_seg.inference.engines.engine import NetworkSpec
from napari_kidney_seg.inference.engines.openvino_engine import OpenVinoEngine
from napari_kidney_seg.networks.residual_unet import ResidualUNet
from tests.inference.fakes import ORGAN, oracle_stage

SIZES = {"classes": 2, "widths": (4, 4), "kernels": ((3, 3, 3),) * 2, "strides": ((2, 2, 2),), "units": 1}
WINDOWS = np.random.default_rng(0).normal(size=(1, 1, 4, 8, 8)).astype(np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(converted_models, "models_folder", lambda: tmp_path / "openvino")
    return tmp_path / "openvino"


@pytest.fixture
def spec() -> NetworkSpec:
    stage = replace(oracle_stage("kidney", ORGAN, window=(4, 8, 8)), network=ResidualUNet, network_args=SIZES)
    return NetworkSpec(stage=stage, state=ResidualUNet(**SIZES).state_dict(), key="sha/kidney/0")


@pytest.fixture
def converted(monkeypatch) -> list[NetworkSpec]:
    """The networks that had to be converted, in a process that has compiled nothing yet."""
    done, convert = [], openvino_engine._converted
    monkeypatch.setattr(openvino_engine, "_converted", lambda spec: done.append(spec) or convert(spec))
    return done


@pytest.fixture
def fresh_engine():
    def engine(spec):
        openvino_engine.forget_compiled()
        return OpenVinoEngine(spec, "float32")

    return engine


def test_a_network_is_converted_once_and_read_back_the_same(spec, fresh_engine, converted):
    first, second = (fresh_engine(spec)(WINDOWS) for _ in range(2))

    assert len(converted) == 1
    np.testing.assert_array_equal(first, second)


def test_a_network_without_a_name_is_not_kept(spec, fresh_engine, converted, folder):
    for _ in range(2):
        fresh_engine(replace(spec, key=""))

    assert len(converted) == 2
    assert not folder.exists()


@pytest.mark.parametrize("changes", [{"key": "other/kidney/0"}, {"size": (4, 16, 8)}])
def test_other_weights_and_other_windows_are_kept_apart(spec, fresh_engine, converted, changes):
    fresh_engine(spec)
    fresh_engine(replace(spec, **changes))

    assert len(converted) == 2


def test_another_version_of_the_package_converts_anew(spec, fresh_engine, converted, monkeypatch):
    fresh_engine(spec)
    monkeypatch.setattr(converted_models, "__version__", "99")
    fresh_engine(spec)

    assert len(converted) == 2


def test_a_damaged_model_is_made_anew(spec, fresh_engine, converted, folder):
    fresh_engine(spec)
    (file,) = folder.glob(f"*/{MODEL}")
    file.write_text("<net")

    fresh_engine(spec)
    fresh_engine(spec)

    assert len(converted) == 2  # the second time it is read again


def test_where_nothing_can_be_kept_the_network_still_runs(spec, fresh_engine, converted, folder):
    folder.parent.joinpath("openvino").write_text("a file where the folder should be")

    assert fresh_engine(spec)(WINDOWS).shape == (1, 2, 4, 8, 8)
    assert len(converted) == 1


def test_the_models_unused_longest_go(spec, folder, monkeypatch):
    monkeypatch.setattr(converted_models, "KEPT", 2)
    core = ov.Core()

    for number in range(4):
        one = replace(spec, key=f"{number}/kidney/0")
        kept_model(one, core, lambda one=one: openvino_engine._converted(one))

    assert len(list(folder.iterdir())) == 2
