from math import log

import pytest
import torch

from napari_kidney_seg.training.losses.dice import dice_of_present, one_hot
from napari_kidney_seg.training.losses.dice_weighted_cross_entropy import (
    DiceWeightedCrossEntropy,
    weighted_cross_entropy,
)

LOSS = DiceWeightedCrossEntropy(class_weights=(1.0, 5.0, 10.0))
TARGET = torch.tensor([0, 0, 1, 2]).view(1, 1, 1, 4)
# Two voxels of background, one of tumor, one of cyst: probabilities of background, tumor, cyst.
ANSWER = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.3, 0.5, 0.2], [0.1, 0.5, 0.4]])
DICE = 1 - (2 * 1.4 / (1.8 + 2) + 2 * 0.5 / (1.3 + 1) + 2 * 0.4 / (0.9 + 1)) / 3
ENTROPY = (
    -(
        1 * (log(0.8) + log(0.6) + log(0.7) + log(0.9))
        + 5 * (log(0.9) + log(0.8) + log(0.5) + log(0.5))
        + 10 * (log(0.9) + log(0.8) + log(0.8) + log(0.4))
    )
    / 4
)


def scores(probabilities):
    """Return scores (1, C, 1, 1, N) with the given softmax (N, C)."""
    return probabilities.log().T.reshape(1, -1, 1, 1, len(probabilities))


def test_the_loss_is_half_dice_and_half_weighted_cross_entropy_as_computed_by_hand():
    assert LOSS(scores(ANSWER), TARGET).item() == pytest.approx((DICE + ENTROPY) / 2, abs=1e-5)


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, DICE), (0.0, ENTROPY)])
def test_alpha_is_the_share_of_dice(alpha, expected):
    loss = DiceWeightedCrossEntropy(class_weights=(1.0, 5.0, 10.0), alpha=alpha)

    assert loss(scores(ANSWER), TARGET).item() == pytest.approx(expected, abs=1e-5)


def test_a_perfect_answer_costs_nothing():
    assert LOSS(30 * one_hot(TARGET, 3), TARGET).item() == pytest.approx(0, abs=1e-4)


def test_the_loss_of_several_answers_is_their_mean():
    perfect, other = 30 * one_hot(TARGET, 3), scores(ANSWER)

    loss = LOSS((perfect, other, other), TARGET)

    assert loss.item() == pytest.approx((DICE + ENTROPY) / 2 * 2 / 3, abs=1e-4)


def test_an_absent_class_is_left_out_of_dice_and_its_gradient_is_finite():
    target = torch.tensor([0, 0, 1, 1]).view(1, 1, 1, 4)
    logits = scores(ANSWER).requires_grad_()

    LOSS(logits, target).sum().backward()
    dice = dice_of_present(scores(ANSWER).exp(), one_hot(target, 3))

    assert dice.item() == pytest.approx(1 - (2 * 1.4 / 3.8 + 2 * 1.0 / 3.3) / 2, abs=1e-5)
    assert torch.isfinite(logits.grad).all()


def test_a_window_of_background_is_pushed_away_from_false_masses_by_the_cross_entropy():
    target = torch.zeros(1, 1, 1, 4, dtype=torch.long)
    logits = scores(ANSWER).requires_grad_()

    LOSS(logits, target).sum().backward()

    assert (logits.grad[:, 0] < 0).all()
    assert (logits.grad[:, 1:].sum(dim=1) > 0).all()


def test_a_certain_mistake_costs_a_finite_amount_and_keeps_its_gradient():
    wrong = torch.tensor([-20.0, 20.0]).view(1, 2, 1, 1, 1).requires_grad_()
    right = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1, 1)

    loss = weighted_cross_entropy(wrong, right, torch.tensor([1.0, 1.0]))
    loss.backward()

    assert loss.item() == pytest.approx(40 + 16.1, rel=0.02)  # the margin; -ln 1e-7, in float32 near 1 a little less
    assert wrong.grad.flatten().tolist() == pytest.approx([-1.0, 1.0], abs=1e-4)
