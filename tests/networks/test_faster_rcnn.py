import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet50
from torchvision.ops import FrozenBatchNorm2d

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.networks.faster_rcnn import SliceDetector, read_trunk_weights

TINY = {"classes": 2, "width": 8, "blocks": (1, 1, 1, 1), "norm": "group", "input_size": 64, "proposals": 16}
TRUNK = ("detector.backbone.", "detector.roi_heads.box_head.")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SliceDetector(**TINY)


@pytest.fixture(scope="module")
def paper_shapes():
    stage = get_method("rcnn-vnet", "paper").stage("kidney")
    network = stage.network(**stage.network_args)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(32.975, abs=0.001)
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def resnet_state():
    with torch.device("meta"):
        state = resnet50(norm_layer=FrozenBatchNorm2d).state_dict()
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def target(shape=(3, 2, 64, 64)):
    """Return a target with one kidney on the first of two slices."""
    masks = torch.zeros(shape, dtype=torch.uint8)
    masks[:2, 0, 10:40, 20:44] = 1
    return masks[None]


@pytest.mark.parametrize("prefix", ["backbone.body.", ""], ids=["coco", "imagenet"])
def test_a_checkpoint_fills_the_whole_trunk_and_the_box_head(paper_shapes, tmp_path, prefix):
    state = resnet_state()
    save_file({prefix + name: torch.zeros(1) for name in state}, tmp_path / "trunk.safetensors")

    weights = read_trunk_weights(tmp_path / "trunk.safetensors")

    assert len(state) == 265
    assert set(weights) == {name for name in paper_shapes if name.startswith(TRUNK)}
    assert sorted(paper_shapes[name] for name in weights) == sorted(tensor.shape for tensor in state.values())


def test_a_torch_file_is_read_and_what_is_no_trunk_is_left_out(tmp_path):
    state = {"conv1.weight": torch.ones(2), "bn1.num_batches_tracked": torch.tensor(3), "fc.weight": torch.ones(1)}
    torch.save(state, tmp_path / "resnet.pth")

    weights = read_trunk_weights(tmp_path / "resnet.pth")

    assert list(weights) == ["detector.backbone.conv1.weight"]


def test_a_file_without_a_resnet_is_refused(tmp_path):
    save_file({"head.bias": torch.ones(1)}, tmp_path / "other.safetensors")

    with pytest.raises(ValueError, match=r"holds \['head.bias'\].*needed the layers of a ResNet"):
        read_trunk_weights(tmp_path / "other.safetensors")


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
