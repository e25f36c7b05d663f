"""The networks of the two segmentation methods of KiTS19 learn one synthetic case."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.dataset import Dataset
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions
from tests.training.conftest import ball

OPTIONS = TrainerOptions(device="cpu", precision="32-true", validate_every=5)
SHAPE, SPACING = (16, 24, 32), (4.0, 2.0, 2.0)


@dataclass(frozen=True)
class OneKidney:
    """A case in memory: a kidney with a tumor in noise."""

    name: str = "one_kidney"
    key: str = ""

    def read(self):
        labels = np.zeros(SHAPE, np.uint8)
        labels[ball(SHAPE, (8, 12, 14), 7)] = 1
        labels[ball(SHAPE, (8, 11, 19), 4)] = 2
        noise = np.random.default_rng(0).normal(0, 8, SHAPE)
        image = (np.array([-100, 180, 60])[labels] + noise).astype(np.int16)
        scan = Volume(array=image, geometry=Geometry.from_spacing(SHAPE, SPACING), name=self.name)
        return Case(name=self.name, scan=scan, labels=labels)


def fitted_stage(method, name):
    """Return the stage at the resolution of the case, with nothing random left, for few steps."""
    stage = get_method(method, "smoke").stage(name)
    recipe = replace(stage.recipe, augmentation=(), epochs=60, windows_per_case=8, learning_rate=5e-3)
    stage = replace(stage, window=SHAPE, grid=replace(stage.grid, shape=(None,) * 3, spacing=SPACING), recipe=recipe)
    if name == "kidney":
        return replace(stage, network_args={**stage.network_args, "dropout": 0.0})
    return stage


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "name"), [("bisc-unet", "rough"), ("bisc-unet", "fine"), ("boundary-aware", "kidney")]
)
def test_each_stage_learns_one_synthetic_case(tmp_path, method, name):
    one = Dataset(cases=(OneKidney(),))
    task = StageTask(stage=fitted_stage(method, name), training=one, validation=one, validation_windows=2)

    events = Trainer(task, tmp_path / name, OPTIONS).run()
    scores = (event.scores.get("dice", 0) for event in events if isinstance(event, EpochDone))

    assert any(score > 0.9 for score in scores)
