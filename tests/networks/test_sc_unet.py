import pytest
import torch

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.networks.sc_unet import ScUNet


@pytest.mark.parametrize("name", ["rough", "fine"])
def test_paper_widths_give_the_published_parameter_count(name):
    stage = get_method("bisc-unet", "paper").stage(name)
    network = stage.network(**stage.network_args)

    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(5.058, abs=0.001)


@pytest.mark.parametrize("shape", [(8, 16, 16), (16, 8, 24)])
def test_three_branches_answer_at_full_size_while_training(shape):
    main, kidney_edge, tumor_edge = ScUNet(classes=3, width=4)(torch.randn(2, 1, *shape))

    assert main.shape == (2, 3, *shape)
    assert kidney_edge.shape == tumor_edge.shape == (2, 2, *shape)


def test_only_the_main_branch_is_computed_to_predict():
    torch.manual_seed(0)
    network = ScUNet(classes=3, width=4)
    image = torch.randn(1, 1, 8, 8, 8)

    in_training = network(image)[0]

    torch.testing.assert_close(network.eval()(image), in_training)


def test_branches_share_all_but_the_last_up_group():
    network = ScUNet(classes=3, width=4)

    network(torch.randn(1, 1, 8, 8, 8))[1].sum().backward()

    assert all(parameter.grad is not None for parameter in network.ups.parameters())
    assert all(parameter.grad is not None for parameter in network.edges[0].parameters())
    assert all(parameter.grad is None for parameter in network.main.parameters())
