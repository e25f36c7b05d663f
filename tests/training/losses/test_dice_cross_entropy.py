import math

import pytest
import torch

from napari_kidney_seg.core.recipe import IGNORE
from napari_kidney_seg.training.losses.dice_cross_entropy import MaskedDiceCrossEntropy

CERTAIN = 40.0


def logits_for(target, classes):
    kept = target.where(target != IGNORE, 0)
    return CERTAIN * torch.nn.functional.one_hot(kept, classes).movedim(-1, 1).float()


def test_a_perfect_prediction_costs_nothing():
    target = torch.randint(0, 3, (2, 4, 5, 6))

    loss = MaskedDiceCrossEntropy(class_weights=(1, 2, 2))(logits_for(target, 3), target)

    torch.testing.assert_close(loss, torch.zeros(2), atol=1e-4, rtol=0)


def test_the_value_of_an_undecided_answer_is_as_computed_by_hand():
    # Four voxels, one of them foreground, p = 1/2 everywhere: Dice losses 1 - 3/5 and 1 - 1/3, cross-entropy log 2.
    target = torch.tensor([0, 0, 0, 1]).view(1, 1, 2, 2)

    loss = MaskedDiceCrossEntropy(class_weights=(1, 1))(torch.zeros(1, 2, 1, 2, 2), target)

    assert loss.item() == pytest.approx((1 - 3 / 5 + 1 - 1 / 3) / 2 + math.log(2), abs=1e-4)


def test_class_weights_count_in_both_parts():
    # As above with weights (1, 3): the mean of Dice is (0.4 + 3 * 0.667) / 4; all log-probabilities are equal.
    target = torch.tensor([0, 0, 0, 1]).view(1, 1, 2, 2)

    loss = MaskedDiceCrossEntropy(class_weights=(1, 3))(torch.zeros(1, 2, 1, 2, 2), target)

    assert loss.item() == pytest.approx((0.4 + 3 * 2 / 3) / 4 + math.log(2), abs=1e-4)


def test_ignored_voxels_have_no_gradient_and_change_nothing():
    target = torch.randint(0, 3, (1, 2, 4, 4))
    target[:, 1] = IGNORE
    logits = torch.randn(1, 3, 2, 4, 4, requires_grad=True)
    loss = MaskedDiceCrossEntropy(class_weights=(1, 2, 2))

    whole = loss(logits, target)
    whole.sum().backward()

    assert logits.grad[:, :, 1].abs().max() == 0
    torch.testing.assert_close(whole, loss(logits[:, :, :1], target[:, :1]), atol=1e-5, rtol=1e-5)


def test_a_sample_without_any_valid_voxel_costs_nothing():
    logits = torch.randn(2, 3, 2, 2, 2, requires_grad=True)
    target = torch.full((2, 2, 2, 2), IGNORE)
    target[1] = 1

    loss = MaskedDiceCrossEntropy(class_weights=(1, 1, 1))(logits, target)
    loss.sum().backward()

    assert loss[0] == 0
    assert loss[1] > 0
    assert torch.isfinite(logits.grad).all()


def test_an_absent_class_does_not_count_in_the_dice_mean():
    target = torch.zeros(1, 2, 2, 2, dtype=torch.long)

    loss = MaskedDiceCrossEntropy(class_weights=(1, 1))(logits_for(target, 2), target)

    assert loss.item() == pytest.approx(0, abs=1e-4)


def four_voxels(*probabilities, target=(0, 0, 0, 1)):
    """Return scores of four voxels whose true class has the given probabilities, and their target."""
    right = torch.tensor(probabilities).view(1, 1, 1, 4)
    target = torch.tensor(target).view(1, 1, 1, 4)
    kept = target.where(target != IGNORE, 0)
    chances = torch.stack([torch.where(kept == 0, right, 1 - right), torch.where(kept == 1, right, 1 - right)], dim=1)
    return chances.log(), target


def cross_entropy_part(loss, logits, target):
    return (loss(logits, target) - MaskedDiceCrossEntropy(class_weights=loss.class_weights)(logits, target)).item()


def test_of_the_hardest_voxels_the_cross_entropy_is_the_mean_of_those_alone():
    logits, target = four_voxels(0.9, 0.2, 0.5, 0.6)

    loss = MaskedDiceCrossEntropy(class_weights=(1, 1), hardest_share=0.5)

    hardest = -(math.log(0.2) + math.log(0.5)) / 2
    every = -(math.log(0.9) + math.log(0.2) + math.log(0.5) + math.log(0.6)) / 4
    assert cross_entropy_part(loss, logits, target) == pytest.approx(hardest - every, abs=1e-5)


def test_class_weights_decide_which_voxels_are_hardest_and_how_much_they_count():
    # With weight 3 the last voxel costs 3 * -log 0.6 = 1.53, after 1.61 of the second and before 0.69 of the third.
    logits, target = four_voxels(0.9, 0.2, 0.5, 0.6)

    loss = MaskedDiceCrossEntropy(class_weights=(1, 3), hardest_share=0.5)

    hardest = -(math.log(0.2) + 3 * math.log(0.6)) / 4
    every = -(math.log(0.9) + math.log(0.2) + math.log(0.5) + 3 * math.log(0.6)) / 6
    assert cross_entropy_part(loss, logits, target) == pytest.approx(hardest - every, abs=1e-5)


def test_the_share_is_of_the_valid_voxels_and_rounded_up():
    logits, target = four_voxels(0.9, 0.2, 0.5, 0.6, target=(0, IGNORE, 0, 1))

    loss = MaskedDiceCrossEntropy(class_weights=(1, 1), hardest_share=0.4)  # 1.2 of three: two

    hardest = -(math.log(0.5) + math.log(0.6)) / 2
    every = -(math.log(0.9) + math.log(0.5) + math.log(0.6)) / 3
    assert cross_entropy_part(loss, logits, target) == pytest.approx(hardest - every, abs=1e-5)


def test_mining_leaves_each_sample_to_itself_and_one_without_valid_voxels_at_zero():
    logits = torch.randn(3, 3, 2, 4, 4, requires_grad=True)
    target = torch.randint(0, 3, (3, 2, 4, 4))
    target[2] = IGNORE
    loss = MaskedDiceCrossEntropy(class_weights=(1, 2, 2), hardest_share=0.3)

    losses = loss(logits, target)
    losses.sum().backward()

    torch.testing.assert_close(losses[:1], loss(logits[:1], target[:1]))
    assert losses[2] == 0
    assert torch.isfinite(logits.grad).all()
