import pytest
import torch

from napari_kidney_seg.training.losses.present_dice import present_dice


def test_a_perfect_prediction_costs_nothing():
    target = torch.randint(0, 3, (2, 4, 5, 6))
    logits = 40 * torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float()

    torch.testing.assert_close(present_dice(logits, target), torch.zeros(2), atol=1e-4, rtol=0)


def test_the_value_of_an_undecided_answer_is_as_computed_by_hand():
    # Three classes at p = 1/3, of four voxels one kidney and no tumor: Dice 2 / (4/3 + 3) and (2/3) / (4/3 + 1).
    target = torch.tensor([0, 0, 0, 1]).view(1, 1, 2, 2)

    loss = present_dice(torch.zeros(1, 3, 1, 2, 2), target)

    assert loss.item() == pytest.approx(1 - (6 / 13 + 2 / 7) / 2, abs=1e-4)


def test_an_absent_class_leaves_finite_gradients():
    logits = torch.randn(1, 3, 2, 4, 4, requires_grad=True)

    present_dice(logits, torch.zeros(1, 2, 4, 4, dtype=torch.long)).sum().backward()

    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() > 0
