"""The lesion stage of resunet-2.5d learns a small case whatever was chosen for it."""

from dataclasses import replace

import pytest

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.methods.resunet_2p5d import Choices, resunet_2p5d
from napari_kidney_seg.training.sampling import RegionSlab
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions

OPTIONS = TrainerOptions(device="cpu", precision="32-true", validate_every=10)
# With a background to learn as well it takes longer until the cyst is told from it.
CHOICES = (
    (Choices(lesion_input="image+kidney_prob"), 30),
    (Choices(lesion_classes=4), 70),
    (Choices(ohem_topk=0.3, mixup_alpha=0.0), 30),
)


def lesion_stage(choices, epochs):
    """Return the stage for windows that are the kidneys' box as it is, with nothing random left but their order."""
    stage = resunet_2p5d(choices).with_preset("smoke").stage("lesion")
    sampler = RegionSlab(margin_mm=4.0, jitter_mm=0.0, slice_scale=(1.0, 1.0), one_kidney=0.0)
    recipe = replace(
        stage.recipe, sampler=sampler, augmentation=(), epochs=epochs, windows_per_case=8, learning_rate=5e-3
    )
    return replace(stage, window=(16, 24, 48), recipe=recipe)


@pytest.mark.slow
@pytest.mark.parametrize(("choices", "epochs"), CHOICES)
def test_the_lesion_stage_learns_a_small_case(dataset, tmp_path, choices, epochs):
    cases = dataset.subset([0])
    task = StageTask(stage=lesion_stage(choices, epochs), training=cases, validation=cases, validation_windows=2)

    events = Trainer(task, tmp_path / "run", OPTIONS).run()
    scores = [event.scores for event in events if isinstance(event, EpochDone) and event.scores]

    assert min(scores[-1][f"dice_{name}"] for name in ("cyst", "tumor")) > 0.9
