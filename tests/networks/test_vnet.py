import pytest
import torch
from torch import nn

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.networks.vnet import ResidualStage, VNet

NARROW = {"classes": 3, "widths": (1, 2, 2, 2, 2)}


def test_paper_widths_give_the_published_parameter_count():
    stage = get_method("rcnn-vnet", "paper").stage("segmentation")
    with torch.device("meta"):
        network = stage.network(**stage.network_args)

    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(65.180, abs=0.001)


@pytest.mark.parametrize("shape", [(16, 16, 16), (16, 48, 32)])
@pytest.mark.parametrize("norm", ["batch", None])
def test_scores_have_the_size_of_the_input(shape, norm):
    assert VNet(**NARROW, norm=norm)(torch.rand(2, 1, *shape)).shape == (2, 3, *shape)


def grown(field, jump, modules):
    """Return the receptive field and the step between neighbors after the convolutions of `modules`."""
    for module in modules:
        if isinstance(module, nn.ConvTranspose3d):
            jump //= module.stride[0]
            field += (module.kernel_size[0] - 1) * jump
        elif isinstance(module, nn.Conv3d):
            field += (module.kernel_size[0] - 1) * jump
            jump *= module.stride[0]
    return field, jump


def test_the_receptive_fields_are_those_of_the_original():
    network, field, jump, fields = VNet(**NARROW), 1, 1, []
    levels = zip([nn.Identity(), *network.downs], network.encoders, strict=True)
    for resampling, stage in [*levels, *zip(network.ups, network.decoders, strict=True)]:
        field, jump = grown(field, jump, [*resampling.modules(), *stage.modules()])
        fields.append(field)

    assert fields == [5, 22, 72, 172, 372, 476, 528, 546, 551]


def test_without_normalization_there_is_none_and_convolutions_have_a_bias():
    modules = list(VNet(**NARROW, norm=None).modules())

    assert not any(isinstance(module, nn.BatchNorm3d) for module in modules)
    assert all(module.bias is not None for module in modules if isinstance(module, nn.Conv3d))


def test_a_stage_adds_its_input_before_the_activation():
    stage = ResidualStage(1, 3, 2, None)
    for parameter in stage.convs.parameters():
        nn.init.zeros_(parameter)
    image = torch.tensor([[-1.0, 2.0]]).view(1, 1, 1, 1, 2)

    features = stage(image)

    # Every channel gets the single input channel; PReLU starts with a slope of 0.25.
    torch.testing.assert_close(features, torch.tensor([-0.25, 2.0]).view(1, 1, 1, 1, 2).expand(1, 3, 1, 1, 2))
