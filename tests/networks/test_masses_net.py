import pytest
import torch
from torch import nn

from napari_kidney_seg.networks.masses_net import (
    ChannelAttention,
    MassesNet,
    MultiDimensionFeatures,
    ResidualBlock,
    SpatialAttention,
)

WIDTHS = (2, 4, 6, 8, 10)


def test_at_the_papers_widths_it_has_12_081_million_parameters():
    network = MassesNet(classes=3, widths=(32, 64, 128, 256, 512))

    assert sum(p.numel() for p in network.parameters()) == 12_081_093


@pytest.mark.parametrize("size", [(16, 16, 16), (16, 48, 32)])
def test_three_answers_of_full_size_are_given_in_training_and_one_in_use(size):
    network, window = MassesNet(classes=3, widths=WIDTHS), torch.randn(2, 1, *size)

    answers = network.train()(window)
    used = network.eval()(window)

    assert [answer.shape for answer in answers] == [(2, 3, *size)] * 3
    assert used.shape == (2, 3, *size)


def test_heads_read_the_last_three_decoder_levels_and_coarse_answers_are_interpolated():
    network = MassesNet(classes=3, widths=WIDTHS).train()
    assert [head.in_channels for head in network.heads] == [2, 4, 6]
    seen = []
    network.heads[2].register_forward_hook(lambda module, given, result: seen.append(result))

    answers = network(torch.randn(2, 1, 16, 32, 16))

    assert seen[0].shape == (2, 3, 4, 8, 4)
    expected = nn.functional.interpolate(seen[0], scale_factor=4, mode="trilinear", align_corners=False)
    torch.testing.assert_close(answers[2], expected)


def test_without_deep_supervision_there_is_one_answer_also_in_training():
    network = MassesNet(classes=3, widths=WIDTHS, deep_supervision=False).train()

    assert network(torch.randn(2, 1, 16, 16, 16)).shape == (2, 3, 16, 16, 16)
    assert len(network.heads) == 1


def test_without_mdf_the_blocks_are_residual_blocks():
    plain = MassesNet(classes=3, widths=WIDTHS, mdf=False)

    assert all(isinstance(block, ResidualBlock) for block in (*plain.downs, *plain.ups))
    assert all(isinstance(block, MultiDimensionFeatures) for block in MassesNet(classes=3, widths=WIDTHS).downs)


def test_the_planar_branch_never_looks_along_z():
    block = MultiDimensionFeatures(2, 4).eval()

    assert {layer.kernel_size for layer in block.plane if isinstance(layer, nn.Conv3d)} == {(1, 3, 3)}
    assert {layer.kernel_size for layer in block.volume if isinstance(layer, nn.Conv3d)} == {(3, 3, 3)}
    one_slice = torch.zeros(1, 2, 5, 6, 6)
    one_slice[:, :, 2] = torch.rand(1, 2, 6, 6)
    changed = (block.plane(one_slice) != block.plane(torch.zeros_like(one_slice))).any(dim=(0, 1)).any(dim=(1, 2))
    assert changed.tolist() == [False, False, True, False, False]


def test_channel_attention_adds_the_scores_of_mean_and_maximum():
    attention = ChannelAttention(2)
    for layer in (attention.shared[0], attention.shared[2]):
        nn.init.zeros_(layer.bias)
        nn.init.zeros_(layer.weight)
    attention.shared[0].weight.data[0, 0] = 1  # hidden 0 is channel 0
    attention.shared[2].weight.data[1, 0] = 1  # channel 1 is scored by it
    x = torch.stack([torch.tensor([1.0, 3.0]), torch.tensor([10.0, 20.0])]).view(1, 2, 1, 1, 2)

    weighted = attention(x)

    # Mean of channel 0 is 2, maximum 3: channel 1 gets sigmoid(5), channel 0 sigmoid(0).
    expected = torch.tensor([[0.5, 1.5], [10 * 0.9933071, 20 * 0.9933071]]).view(1, 2, 1, 1, 2)
    torch.testing.assert_close(weighted, expected)


def test_the_hidden_layer_of_the_channel_attention_is_a_sixteenth_and_at_least_4():
    assert ChannelAttention(128).shared[0].out_features == 8
    assert ChannelAttention(16).shared[0].out_features == 4


def test_spatial_attention_weighs_each_voxel_by_maximum_and_mean_of_its_channels():
    attention = SpatialAttention().eval()
    nn.init.zeros_(attention.convolution.weight)
    attention.convolution.weight.data[0, :, 3, 3, 3] = torch.tensor([1.0, 10.0])  # of maximum, of mean
    x = torch.tensor([0.0, 0.2]).view(1, 2, 1, 1, 1).expand(1, 2, 3, 4, 5)

    weighted = attention(x)

    weight = torch.sigmoid(torch.tensor((0.2 + 10 * 0.1) / (1 + 1e-5) ** 0.5))  # batch norm before training
    torch.testing.assert_close(weighted, x * weight)


def test_an_mdf_module_of_equal_widths_adds_its_input_to_the_attended_features():
    block = MultiDimensionFeatures(4, 4).eval()
    for branch in (block.volume, block.plane):
        nn.init.zeros_(branch[3].weight)  # the last convolution of each branch
    x = torch.rand(1, 4, 4, 4, 4)

    torch.testing.assert_close(block(x), x)
