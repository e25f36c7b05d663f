import pytest
import torch

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.networks.residual_unet import ResidualUNet, ResidualUnit

PAPER = get_method("resunet-2.5d", "paper")


def build(stage):
    return stage.network(**stage.network_args)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("stage", "millions"), [("coarse", 12.459), ("kidney", 10.976), ("lesion", 10.976)])
def test_paper_widths_give_the_published_parameter_counts(stage, millions):
    assert parameters(build(PAPER.stage(stage))) / 1e6 == pytest.approx(millions, abs=0.001)


@pytest.mark.parametrize("shape", [(32, 32, 32), (16, 48, 32)])
def test_the_coarse_network_returns_full_size_scores_for_multiples_of_16(shape):
    network = build(get_method("resunet-2.5d", "smoke").stage("coarse"))

    assert network(torch.zeros(2, 1, *shape)).shape == (2, 2, *shape)


@pytest.mark.parametrize("shape", [(1, 16, 8), (5, 24, 16)])
def test_the_fine_network_takes_any_number_of_slices(shape):
    network = build(get_method("resunet-2.5d", "smoke").stage("lesion"))
    network.eval()

    assert network(torch.randn(1, 1, *shape)).shape == (1, 3, *shape)


def test_a_second_channel_of_the_input_changes_the_scores_and_only_the_entry():
    sizes = get_method("resunet-2.5d", "smoke").stage("lesion").network_args
    plain, guided = ResidualUNet(**sizes), ResidualUNet(**sizes, channels=2).eval()
    image = torch.randn(1, 2, 3, 16, 16)
    changed = image * torch.tensor([1.0, 2.0]).view(1, 2, 1, 1, 1)

    different = {name for name, tensor in plain.state_dict().items() if tensor.shape != guided.state_dict()[name].shape}

    assert different == {"entry.0.weight"}
    assert not torch.equal(guided(changed), guided(image))


def test_in_plane_kernels_and_strides_never_mix_slices():
    network = ResidualUNet(classes=2, widths=(4, 8), kernels=((1, 3, 3),) * 2, strides=((1, 2, 2),)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.InstanceNorm3d):  # its statistics are over all slices: take it out
            module.forward = lambda x: x
    image = torch.randn(1, 1, 6, 16, 16)
    changed = image.clone()
    changed[:, :, 3] += 1

    difference = (network(changed) - network(image)).abs().amax(dim=(0, 1, 3, 4))

    assert difference[3] > 0
    assert difference[[0, 1, 2, 4, 5]].max() < 1e-6


def test_weights_start_he_normal_and_biases_at_zero():
    conv = ResidualUNet(classes=2, widths=(64, 64), kernels=((3, 3, 3),) * 2, strides=((2, 2, 2),)).downs[0].reduce

    assert conv.weight.std().item() == pytest.approx((2 / (1 + 0.01**2) / (64 * 27)) ** 0.5, rel=0.02)
    assert conv.bias.abs().max() == 0


def test_a_unit_of_equal_widths_adds_its_input_unchanged():
    unit = ResidualUnit(3, 3, (3, 3, 3))
    torch.nn.init.zeros_(unit.norm2.weight)
    image = torch.rand(1, 3, 4, 4, 4)

    torch.testing.assert_close(unit(image), image)
