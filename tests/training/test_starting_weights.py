import pytest
import torch
from torch import nn

from napari_kidney_seg.training.starting_weights import of_classes, start_from


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_weights_that_fit_are_loaded_and_others_are_passed_over():
    old, new = nn.Conv3d(1, 2, 3), nn.Conv3d(1, 2, 3)

    start_from(new, {**weights_of(old), "of another network": torch.zeros(1)})

    torch.testing.assert_close(weights_of(new), weights_of(old))


def test_a_network_that_sees_more_begins_as_if_it_did_not():
    old = nn.Sequential(nn.Conv3d(1, 2, (1, 3, 3)), nn.Conv3d(2, 3, 1))
    new = nn.Sequential(nn.Conv3d(3, 2, (1, 3, 3)), nn.Conv3d(2, 3, 1))
    image, guides = torch.randn(1, 1, 4, 6, 6), torch.randn(1, 2, 4, 6, 6)

    start_from(new, weights_of(old))

    torch.testing.assert_close(new(torch.cat((image, guides), dim=1)), old(image))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (nn.Conv3d(3, 2, 3), nn.Conv3d(2, 2, 3)),
        (nn.Conv3d(1, 2, 1), nn.Conv3d(2, 2, 3)),
        (nn.Conv3d(1, 3, 3), nn.Conv3d(2, 2, 3)),
        (nn.ConvTranspose3d(2, 1, 2), nn.ConvTranspose3d(2, 3, 2)),
    ],
    ids=["fewer inputs", "another kernel", "other outputs", "more outputs of a transposed convolution"],
)
def test_weights_of_another_shape_are_not_used(old, new):
    before = weights_of(new)["weight"]

    start_from(new, weights_of(old))

    torch.testing.assert_close(weights_of(new)["weight"], before)


def test_an_inner_convolution_that_sees_more_starts_fresh():
    new = nn.Sequential(nn.Conv3d(1, 4, 1), nn.Conv3d(4, 2, 1))
    before = weights_of(new)["1.weight"]

    start_from(new, weights_of(nn.Sequential(nn.Conv3d(1, 3, 1), nn.Conv3d(3, 2, 1))))

    torch.testing.assert_close(weights_of(new)["1.weight"], before)


def test_classes_that_there_were_keep_their_answers_in_whatever_order_and_new_ones_begin_at_0():
    old, new = nn.Conv3d(2, 2, 1), nn.Conv3d(2, 3, 1)
    image = torch.randn(1, 2, 3, 4, 5)

    start_from(new, of_classes(weights_of(old), ("cyst", "tumor"), ("background", "tumor", "cyst")))

    answers = new(image)
    torch.testing.assert_close(answers[:, [2, 1]], old(image))
    assert not answers[:, 0].any()


def test_weights_of_the_same_classes_stay():
    weights = weights_of(nn.Conv3d(2, 2, 1))

    same = of_classes(weights, ["cyst", "tumor"], ("cyst", "tumor"))

    assert all(same[name] is tensor for name, tensor in weights.items())
