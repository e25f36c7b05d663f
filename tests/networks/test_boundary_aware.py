import pytest
import torch

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.networks.boundary_aware import AttentionGate, BoundaryAwareNetwork


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def small(**changes):
    return BoundaryAwareNetwork(classes=2, width=8, blocks_down=(1, 1, 1), **changes)


def test_paper_widths_give_the_published_parameter_counts():
    stage = get_method("boundary-aware", "paper").stage("kidney")
    network = stage.network(**stage.network_args)

    assert parameters(network) == pytest.approx(5.020, abs=0.001)
    assert parameters(network.trunk) == pytest.approx(4.42, abs=0.01)


def test_the_cited_design_has_more_blocks():
    assert parameters(BoundaryAwareNetwork(classes=2, blocks_down=(1, 2, 2, 4))) == pytest.approx(5.30, abs=0.01)


@pytest.mark.parametrize("shape", [(8, 16, 16), (16, 8, 24)])
@pytest.mark.parametrize("fuse", ["features", "edge"])
def test_structures_and_edges_are_answered_at_full_size(shape, fuse):
    network = BoundaryAwareNetwork(classes=2, width=8, blocks_down=(1, 1, 1, 1), fuse=fuse)

    main, edge = network(torch.randn(1, 1, *shape))

    assert main.shape == edge.shape == (1, 2, *shape)


def test_every_parameter_takes_part_in_the_answer():
    network = small()

    sum(output.sum() for output in network(torch.randn(1, 1, 8, 8, 8))).backward()

    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_fusing_edges_adds_their_two_channels_to_the_decoder():
    assert small(fuse="edge").head.in_channels == 8 + 2
    assert small().head.in_channels == 8 + 8


def test_an_open_gate_passes_the_boundary_and_a_closed_one_nothing():
    gate, boundary = AttentionGate(8), torch.randn(1, 8, 4, 4, 4)
    torch.nn.init.zeros_(gate.attention.weight)

    with torch.no_grad():
        gate.attention.bias.fill_(50.0)
        opened = gate(boundary, torch.randn_like(boundary))
        gate.attention.bias.fill_(-50.0)
        closed = gate(boundary, torch.randn_like(boundary))

    torch.testing.assert_close(opened, boundary)
    assert closed.abs().max() < 1e-6


def test_an_unknown_fusion_is_refused():
    with pytest.raises(KidneySegError, match="Found fuse='sum'; needed one of 'features', 'edge'"):
        small(fuse="sum")
