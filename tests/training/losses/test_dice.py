import pytest
import torch

from napari_kidney_seg.training.losses.dice import class_dice, one_hot, per_class_dice, present_dice

SURE = 30.0  # score of a certain answer


def certain(classes, count=2):
    """Return scores that say `classes` (B, Z, Y, X) for sure."""
    return SURE * one_hot(classes, count)


def half_percent():
    target = torch.zeros(1, 10, 10, 10, dtype=torch.uint8)
    target.view(-1)[:5] = 1
    return target


def test_a_perfect_answer_costs_nothing():
    assert per_class_dice(certain(half_percent()), half_percent()).item() == pytest.approx(0, abs=1e-4)


def test_an_answer_without_kidney_costs_a_half_where_kidney_is_half_a_percent():
    loss = per_class_dice(certain(torch.zeros_like(half_percent())), half_percent())

    # The background misses 5 of its 995 + 1000 voxels, the kidney all of its own.
    assert loss.item() == pytest.approx((5 / 1995 + 1) / 2, abs=1e-4)


def test_each_class_counts_by_itself():
    target = torch.tensor([0, 0, 0, 1]).view(1, 1, 1, 4)
    logits = torch.log(torch.tensor([[0.9, 0.8, 0.5, 0.4], [0.1, 0.2, 0.5, 0.6]])).view(1, 2, 1, 1, 4)

    # Background: 2 * 2.2 / (2.6 + 3); kidney: 2 * 0.6 / (1.4 + 1).
    assert per_class_dice(logits, target).item() == pytest.approx(1 - (4.4 / 5.6 + 1.2 / 2.4) / 2, abs=1e-5)


def test_a_window_without_kidney_gives_finite_gradients_and_samples_are_apart():
    target = torch.cat([half_percent(), torch.zeros_like(half_percent())])
    logits = torch.zeros(2, 2, 10, 10, 10, requires_grad=True)

    losses = per_class_dice(logits, target)
    losses.sum().backward()

    assert losses.shape == (2,)
    assert torch.isfinite(logits.grad).all()
    torch.testing.assert_close(losses[:1], per_class_dice(logits[:1], target[:1]))


def test_half_precision_scores_of_many_voxels_do_not_overflow():
    target = torch.ones(1, 48, 48, 48, dtype=torch.uint8)  # 110 592 voxels, more than 65 504
    loss = per_class_dice(certain(target).half(), target)

    assert loss.item() == pytest.approx(0.5, abs=1e-4)  # the absent background adds its constant


def test_dice_of_a_class():
    probabilities = torch.tensor([0.5, 1.0]).view(1, 1, 1, 1, 2)
    reference = torch.tensor([0.0, 1.0]).view(1, 1, 1, 1, 2)

    assert class_dice(probabilities, reference).item() == pytest.approx(2 / 2.5, abs=1e-4)


def test_a_perfect_prediction_costs_nothing_over_the_present_classes():
    target = torch.randint(0, 3, (2, 4, 5, 6))

    torch.testing.assert_close(present_dice(certain(target, 3), target), torch.zeros(2), atol=1e-4, rtol=0)


def test_the_value_of_an_undecided_answer_is_as_computed_by_hand():
    # Three classes at p = 1/3, of four voxels one kidney and no tumor: Dice 2 / (4/3 + 3) and (2/3) / (4/3 + 1).
    target = torch.tensor([0, 0, 0, 1]).view(1, 1, 2, 2)

    loss = present_dice(torch.zeros(1, 3, 1, 2, 2), target)

    assert loss.item() == pytest.approx(1 - (6 / 13 + 2 / 7) / 2, abs=1e-4)


def test_a_class_that_is_not_present_leaves_finite_gradients():
    logits = torch.randn(1, 3, 2, 4, 4, requires_grad=True)

    present_dice(logits, torch.zeros(1, 2, 4, 4, dtype=torch.long)).sum().backward()

    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() > 0
