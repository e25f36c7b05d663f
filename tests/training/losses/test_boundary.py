import math

import pytest
import torch

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.training.losses.boundary import (
    BoundaryLoss,
    edge_bands,
    half_class_means,
    nested_masks,
    squared_dice,
    weighted_mean,
    weighted_sum,
)

CERTAIN = 40.0


def row(*values):
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, 1, -1)


def both_present():
    target = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    target[:, 1:7, 1:7, 1:7] = 1
    target[:, 3:5, 3:5, 3:5] = 2
    return target


def certain(masks):
    return CERTAIN * (2 * masks - 1)


def test_squared_dice_is_as_computed_by_hand():
    # overlap 0.5 + 1, squares of the target 2, of the prediction 0.25 + 1 + 0.25.
    loss = squared_dice(row(0.5, 1.0, 0.5), row(1, 1, 0))

    assert loss.item() == pytest.approx(1 - 2 * 1.5 / 3.5, abs=1e-5)


def test_an_absent_class_costs_one_without_gradient():
    probabilities = torch.full((1, 1, 1, 1, 4), 0.3, requires_grad=True)

    loss = squared_dice(probabilities, torch.zeros(1, 1, 1, 1, 4))
    loss.sum().backward()

    assert loss.item() == 1
    assert probabilities.grad.abs().max() == 0


def test_bands_are_two_voxels_wide_and_the_border_is_no_edge():
    masks = torch.zeros(1, 1, 6, 6, 6)
    masks[..., :3] = 1

    band = edge_bands(masks)

    assert band[0, 0, 0, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert (band == band[:, :, :1, :1]).all()


def test_each_structure_holds_the_next():
    masks = nested_masks(torch.tensor([0, 1, 2]).view(1, 1, 1, 3), 2)

    assert masks.view(2, 3).tolist() == [[0, 1, 1], [0, 0, 1]]


MISSED, FALSE, EDGES = row(1.0, 3.0, 9.0, 9.0), row(9.0, 9.0, 2.0, 6.0), row(1, 1, 0, 0)


def test_the_three_scales_of_the_edge_cost_are_as_computed_by_hand():
    assert half_class_means(MISSED, FALSE, EDGES).item() == pytest.approx(0.5 * 2 + 0.5 * 4)
    assert weighted_sum(MISSED, FALSE, EDGES).item() == pytest.approx(0.5 * 4 + 0.5 * 8)
    assert weighted_mean(MISSED, FALSE, EDGES).item() == pytest.approx(6 / 4)


def test_without_edges_the_mean_still_punishes_false_ones_and_the_papers_sum_does_not():
    none = torch.zeros_like(EDGES)

    assert half_class_means(MISSED, FALSE, none).item() == pytest.approx(0.5 * 26 / 4)
    assert weighted_sum(MISSED, FALSE, none).item() == 0


def test_dividing_the_papers_sum_by_twice_the_weight_of_the_edges_is_the_mean_of_class_means():
    torch.manual_seed(0)
    missed, false = torch.rand(1, 1, 4, 4, 4), torch.rand(1, 1, 4, 4, 4)
    edges = (torch.rand(1, 1, 4, 4, 4) < 0.2).float()
    weight = 2 * (1 - edges.mean()) * edges.sum()

    torch.testing.assert_close(half_class_means(missed, false, edges), weighted_sum(missed, false, edges) / weight)


@pytest.mark.parametrize("bce", ["mean", "sum", "per_voxel"])
def test_a_perfect_prediction_costs_nothing(bce):
    masks = nested_masks(both_present(), 2)

    loss = BoundaryLoss(bce=bce)((certain(masks), certain(edge_bands(masks))), both_present())

    assert loss.item() == pytest.approx(0, abs=1e-4)


def test_an_undecided_answer_is_as_computed_by_hand():
    target = both_present()
    edges = edge_bands(nested_masks(target, 2))[0]
    flat = torch.zeros(1, 2, 8, 8, 8)

    loss = BoundaryLoss()((flat, flat), target)

    # p = 1/2 everywhere: Dice 1 - n / (n + 512 / 4), and log 2 for the edges whatever their number.
    counts = [6**3, 2**3, *edges.sum(dim=(1, 2, 3)).tolist()]
    dice = sum(1 - n / (n + 128) for n in counts) / 2
    assert loss.item() == pytest.approx(dice + math.log(2), abs=1e-4)


def test_a_crop_without_any_structure_is_finite_and_has_a_gradient_against_false_edges():
    main, edge = torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 2, 4, 4, 4, requires_grad=True)

    loss = BoundaryLoss()((main, edge), torch.zeros(1, 4, 4, 4, dtype=torch.long))
    loss.sum().backward()

    assert loss.item() == pytest.approx(2 + math.log(2) / 2, abs=1e-4)
    assert edge.grad.min() > 0


def test_edge_everywhere_is_expensive():
    masks = nested_masks(both_present(), 2)

    loss = BoundaryLoss()((certain(masks), torch.full_like(masks, CERTAIN)), both_present())

    assert loss.item() > CERTAIN / 4


def test_an_unknown_scale_is_refused():
    with pytest.raises(KidneySegError, match="Found bce='max'; needed one of 'mean', 'sum', 'per_voxel'"):
        BoundaryLoss(bce="max")
