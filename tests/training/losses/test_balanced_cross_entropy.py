import math

import pytest
import torch

from napari_kidney_seg.training.losses.balanced_cross_entropy import (
    BalancedCrossEntropy,
    PlainCrossEntropy,
    SumOverBranches,
)


def logits_of(*probabilities):
    """Return scores (1, C, 1, 1, N) whose softmax gives each voxel's `probabilities`."""
    return torch.tensor(probabilities).T.log().view(1, -1, 1, 1, len(probabilities))


def voxels(*classes):
    return torch.tensor(classes).view(1, 1, 1, -1)


def test_hard_voxels_are_averaged_over_their_whole_class_and_then_over_classes():
    # Background: p = 0.95 is easy, p = 0.5 costs log 2, over two voxels. Kidney: p = 0.2 costs log 5.
    logits, target = logits_of((0.95, 0.05), (0.5, 0.5), (0.8, 0.2)), voxels(0, 0, 1)

    loss = BalancedCrossEntropy(hard_threshold=0.1)(logits, target)

    assert loss.item() == pytest.approx((math.log(2) / 2 + math.log(5)) / 2, abs=1e-4)


def test_a_threshold_of_zero_counts_every_voxel():
    logits, target = logits_of((0.95, 0.05), (0.5, 0.5), (0.8, 0.2)), voxels(0, 0, 1)

    loss = BalancedCrossEntropy(hard_threshold=0)(logits, target)

    assert loss.item() == pytest.approx(((math.log(2) - math.log(0.95)) / 2 + math.log(5)) / 2, abs=1e-4)


def test_easy_voxels_cost_exactly_nothing_and_have_no_gradient():
    logits = logits_of((0.91, 0.05, 0.04), (0.02, 0.95, 0.03), (0.0, 0.01, 0.99)).clamp_min(-30).requires_grad_()

    loss = BalancedCrossEntropy()(logits, voxels(0, 1, 2))
    loss.sum().backward()

    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_an_absent_class_does_not_count():
    two = BalancedCrossEntropy()(logits_of((0.5, 0.5), (0.5, 0.5)), voxels(0, 1))
    three = BalancedCrossEntropy()(logits_of((0.5, 0.5, 1e-12), (0.5, 0.5, 1e-12)), voxels(0, 1))

    torch.testing.assert_close(three, two)


def test_a_tenth_of_the_voxels_weighs_as_much_as_the_rest():
    target = voxels(*[0] * 9, 1)
    missed_kidney = logits_of(*[(0.8, 0.2)] * 10)
    missed_background = logits_of(*[(0.2, 0.8)] * 10)

    torch.testing.assert_close(
        BalancedCrossEntropy()(missed_kidney, target), BalancedCrossEntropy()(missed_background, target)
    )


def test_an_answer_of_edge_everywhere_is_expensive():
    target = voxels(*[0] * 9, 1)

    assert BalancedCrossEntropy()(logits_of(*[(1e-6, 1.0)] * 10), target).item() > 5


def test_plain_cross_entropy_is_the_mean_over_voxels():
    logits, target = logits_of((0.95, 0.05), (0.5, 0.5), (0.8, 0.2)), voxels(0, 0, 1)

    loss = PlainCrossEntropy()(logits, target)

    assert loss.item() == pytest.approx((-math.log(0.95) + math.log(2) + math.log(5)) / 3, abs=1e-4)


@pytest.mark.parametrize("loss", [BalancedCrossEntropy(), PlainCrossEntropy()])
def test_a_voxel_that_is_wrong_and_sure_of_it_keeps_its_gradient(loss):
    logits = torch.tensor([24.0, 0.0]).view(1, 2, 1, 1, 1).requires_grad_()

    loss(logits, voxels(1)).sum().backward()

    torch.testing.assert_close(logits.grad.flatten(), torch.tensor([1.0, -1.0]))


def test_branches_add_up_each_with_its_own_target_and_samples_stay_apart():
    outputs = tuple(torch.randn(2, classes, 2, 3, 4) for classes in (3, 2))
    target = torch.randint(0, 2, (2, 2, 2, 3, 4))
    plain = PlainCrossEntropy()

    loss = SumOverBranches(branch=plain)(outputs, target)

    expected = plain(outputs[0][1:], target[1:, 0]) + plain(outputs[1][1:], target[1:, 1])
    assert loss.shape == (2,)
    torch.testing.assert_close(loss[1:], expected)
