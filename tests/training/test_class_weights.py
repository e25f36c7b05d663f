from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from napari_kidney_seg.core.events import EpochDone, Notice, Progress
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.methods.masses_net import Choices, masses_net
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.class_weights import class_counts, measure_class_weights, weights_from
from napari_kidney_seg.training.dataset import Dataset
from napari_kidney_seg.training.run_folder import RunFolder
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions
from tests.inference.fakes import finished

OPTIONS = TrainerOptions(device="cpu", precision="32-true")

MASSES = get_method("masses-net", "smoke").stage("masses")


def test_the_frequencies_of_300_kits_cases_give_the_default_weights():
    assert weights_from(np.array([962_800, 35_200, 2_000])) == pytest.approx((1.0, 5.23, 10.0), abs=0.01)


def test_a_class_that_never_occurs_gets_the_cap():
    assert weights_from(np.array([400, 100, 0])) == (1.0, 2.0, 10.0)


def test_voxels_are_counted_in_the_box_around_the_kidneys(case):
    (region,) = MASSES.recipe.sampler.regions(case, MASSES)
    inside = case.labels[region.clipped(Box.whole(case.labels.shape)).slices]

    tumor, cyst = np.count_nonzero(case.labels == 2), np.count_nonzero(case.labels == 3)

    assert class_counts(case, MASSES).tolist() == [inside.size - tumor - cyst, tumor, cyst]


@dataclass(frozen=True)
class OneKidney:
    """A case of 16 x 32 x 32 voxels, which the masses stage sees whole, with a tumor and a cyst of known size."""

    name: str
    tumor: int  # voxels along x, of 8 x 8 voxels along z and y
    cyst: int  # voxels along x, of 2 x 2 voxels along z and y
    key: str = ""

    def read(self):
        labels = np.zeros((16, 32, 32), np.uint8)
        labels[2:14, 4:28, 4:28] = 1
        labels[2:10, 4:12, 4 : 4 + self.tumor] = 2
        labels[10:12, 20:22, 4 : 4 + self.cyst] = 3
        values = np.array([-100, 0, 300, 50], np.int16)[labels]
        scan = Volume(array=values, geometry=Geometry.from_spacing(labels.shape, (6.0, 4.0, 4.0)), name=self.name)
        return Case(name=self.name, scan=scan, labels=labels)


CASES = Dataset(cases=(OneKidney("a", tumor=12, cyst=10), OneKidney("b", tumor=4, cyst=6)))
# 2 * 16384 voxels: 64 * (12 + 4) = 1024 of tumor, 4 * (10 + 6) = 64 of cyst, 31680 of the rest.
WEIGHTS = (1.0, np.sqrt(31680 / 1024), 10.0)  # the last one would be 22.2


def test_the_weights_of_a_data_set_are_those_of_its_cases_together_told_case_by_case():
    events, weights = finished(measure_class_weights(CASES, MASSES))

    assert weights == pytest.approx(WEIGHTS)
    assert events[:2] == [Progress(stage="masses", done=n, total=2, fraction=0.0) for n in (1, 2)]
    assert events[2].text == (
        "Weights of the classes, measured on 2 training cases: background 1.0, tumor 5.6, cyst 10.0."
    )


def task(stage=MASSES, epochs=1):
    stage = replace(stage, recipe=replace(stage.recipe, epochs=epochs))
    return StageTask(stage=stage, training=CASES, validation=CASES.subset([]))


def test_a_training_weighs_the_classes_of_its_own_cases_and_keeps_the_weights(tmp_path):
    trainer = Trainer(task(), tmp_path, OPTIONS)
    before = trainer.loss.class_weights

    events = list(trainer.run())

    assert before == (1.0, 5.0, 10.0)
    assert trainer.loss.class_weights == pytest.approx(WEIGHTS)
    assert [event.code for event in events if isinstance(event, Notice)] == ["class_weights"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["progress"]["class_weights"] == pytest.approx(WEIGHTS)
    assert RunFolder(tmp_path).facts()["class_weights"] == pytest.approx(WEIGHTS)


def test_a_resumed_training_keeps_the_weights_it_began_with(tmp_path, monkeypatch):
    list(Trainer(task(), tmp_path, OPTIONS).run())
    monkeypatch.setattr(
        "napari_kidney_seg.training.class_weights.class_counts", lambda *_: pytest.fail("counted again")
    )

    resumed = Trainer(task(epochs=2), tmp_path, replace(OPTIONS, resume=True))
    events = list(resumed.run())

    assert resumed.loss.class_weights == pytest.approx(WEIGHTS)
    assert [event.epoch for event in events if isinstance(event, EpochDone)] == [2]


def test_a_training_that_began_with_other_weights_goes_on_with_them(tmp_path):
    unmeasured = replace(MASSES, recipe=replace(MASSES.recipe, weighted_loss=None))
    list(Trainer(task(unmeasured), tmp_path, OPTIONS).run())

    resumed = Trainer(task(epochs=2), tmp_path, replace(OPTIONS, resume=True))
    events = list(resumed.run())

    assert resumed.loss.class_weights == (1.0, 5.0, 10.0)
    assert not [event for event in events if isinstance(event, Notice)]


def test_measuring_can_be_stopped_between_two_cases(tmp_path, monkeypatch):
    counted = []
    monkeypatch.setattr(
        "napari_kidney_seg.training.class_weights.class_counts", lambda case, _: counted.append(case.name) or 1
    )
    events = Trainer(task(), tmp_path, OPTIONS).run()

    next(events)
    events.close()

    assert counted == ["a"]
    assert not RunFolder(tmp_path).last.exists()


def test_weights_that_were_chosen_are_not_measured(tmp_path):
    chosen = masses_net(Choices(class_weights=(1.0, 2.0, 3.0))).with_preset("smoke").stage("masses")
    trainer = Trainer(task(chosen), tmp_path, OPTIONS)

    events = list(trainer.run())

    assert trainer.loss.class_weights == (1.0, 2.0, 3.0)
    assert not [event for event in events if isinstance(event, Notice)]
