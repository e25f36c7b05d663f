import pytest
import torch

from napari_kidney_seg.networks.kidney_net import KidneyNet, convolutions


def test_at_the_papers_widths_it_has_5_601_million_parameters():
    network = KidneyNet(classes=2, widths=(32, 64, 128, 256))

    assert sum(p.numel() for p in network.parameters()) == 5_601_154


@pytest.mark.parametrize("size", [(8, 8, 8), (16, 24, 8), (8, 32, 16)])
def test_scores_have_the_size_of_the_window_for_multiples_of_8(size):
    network = KidneyNet(classes=2, widths=(2, 4, 6, 8)).eval()

    assert network(torch.zeros(1, 1, *size)).shape == (1, 2, *size)


def test_three_poolings_make_the_bottom_an_eighth_of_the_window():
    network = KidneyNet(classes=2, widths=(2, 4, 6, 8)).eval()
    seen = []
    network.downs[-1].register_forward_hook(lambda module, given, result: seen.append(result.shape))

    network(torch.zeros(1, 1, 16, 32, 24))

    assert seen == [(1, 8, 2, 4, 3)]


def test_a_block_is_two_convolutions_without_bias_each_with_batch_norm_and_relu():
    names = [type(layer).__name__ for layer in convolutions((1, 4, 4))]

    assert names == ["Conv3d", "BatchNorm3d", "ReLU"] * 2
    assert convolutions((1, 4))[0].bias is None
