import pytest
import torch

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.networks.faster_rcnn import SliceDetector

TINY = {"classes": 2, "width": 8, "blocks": (1, 1, 1, 1), "norm": "group", "input_size": 64, "proposals": 16}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SliceDetector(**TINY)


def test_the_papers_detector_has_32_975_million_parameters():
    stage = get_method("rcnn-vnet", "paper").stage("kidney")

    with torch.device("meta"):
        network = stage.network(**stage.network_args)

    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(32.975, abs=0.001)


def target(shape=(3, 2, 64, 64)):
    """Return a target with one kidney on the first of two slices."""
    masks = torch.zeros(shape, dtype=torch.uint8)
    masks[:2, 0, 10:40, 20:44] = 1
    return masks[None]


def test_boxes_are_painted_with_their_scores_and_the_best_one_wins(network):
    found = {
        "boxes": torch.tensor([[2.4, 1.0, 6.0, 4.6], [4.0, 0.0, 8.0, 3.0]]),  # x1, y1, x2, y2
        "scores": torch.tensor([0.9, 0.5]),
        "labels": torch.tensor([1, 1]),
    }

    kidney = network._painted(found, torch.Size((8, 10))).softmax(dim=0)[1]

    wanted = torch.full((8, 10), 0.001)
    wanted[0:3, 4:8] = 0.501
    wanted[1:5, 2:6] = 0.9
    torch.testing.assert_close(kidney, wanted, atol=1e-4, rtol=0)
    assert (kidney.half() > 0.5).sum() == 4 * 4 + 3 * 4 - 2 * 2


@pytest.mark.parametrize("shape", [(64, 64), (48, 100)])
def test_slices_of_any_size_give_scores_of_that_size(network, shape):
    network.eval()

    with torch.inference_mode():
        scores = network(torch.rand(2, 1, 3, *shape))
        boxes = network.boxes(torch.rand(1, 3, *shape))

    assert scores.shape == (2, 2, 3, *shape)
    assert len(boxes) == 3
    assert all((box[:, 2:] <= torch.tensor(shape)).all() for box, _ in boxes)


@pytest.mark.parametrize("is_autocast", [False, True])
def test_the_loss_is_finite_per_sample_and_trains_every_part(is_autocast):
    torch.manual_seed(0)
    network = SliceDetector(**TINY)
    targets = torch.cat([target(), torch.zeros_like(target())])  # the second sample shows no kidney

    with torch.autocast("cpu", torch.bfloat16, enabled=is_autocast):
        losses = network(torch.rand(2, 1, 2, 64, 64), targets)
    losses.sum().backward()

    assert losses.shape == (2,)
    assert torch.isfinite(losses).all()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() > 0 for p in network.parameters())


def test_bfloat16_predicts_without_an_error(network):
    network.eval()

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        scores = network(torch.rand(1, 1, 2, 64, 64))

    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()


def test_the_boxes_of_a_target_are_the_extents_of_its_masks(network):
    wanted = {}
    network.detector.register_forward_pre_hook(lambda _, inputs: wanted.update(enumerate(inputs[1])))
    network.train()

    network(torch.rand(1, 1, 2, 64, 64), target())

    assert wanted[0]["boxes"].tolist() == [[20, 10, 44, 40]]
    assert wanted[1]["boxes"].shape == (0, 4)


def test_half_of_what_trains_the_heads_is_positive_at_most_and_300_proposals_are_kept():
    stage = get_method("rcnn-vnet", "paper").stage("kidney")
    detector = SliceDetector(**TINY | {"proposals": stage.network_args["proposals"]}).detector

    assert detector.rpn.fg_bg_sampler.positive_fraction == 0.5
    assert detector.roi_heads.fg_bg_sampler.positive_fraction == 0.5
    assert detector.rpn._post_nms_top_n == {"training": 300, "testing": 300}
