"""Files with the shapes of torchvision's own checkpoints: every tensor is one stored number, repeated."""

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18, resnet50, resnet101
from torchvision.models.detection import fasterrcnn_resnet50_fpn

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.networks.resnet_trunk import read_trunk

TRUNK = ("detector.backbone.", "detector.roi_heads.box_head.")


def coco():
    return fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)


def parameters_of(preset):
    stage = get_method("rcnn-vnet", preset).stage("kidney")
    with torch.device("meta"):
        return stage.network(**stage.network_args).state_dict()


@pytest.fixture(scope="module")
def own():
    """The parameters of the paper's detector: shapes alone."""
    return parameters_of("paper")


@pytest.fixture
def written(tmp_path):
    """Return a function that writes the checkpoint of a torchvision model."""

    def write(model, **changes):
        with torch.device("meta"):
            shapes = {name: tensor.shape for name, tensor in model().state_dict().items()}
        state = {name: torch.tensor(float(len(name))).expand(shape) for name, shape in shapes.items()}
        torch.save({**state, **changes}, tmp_path / "weights.pth")
        return tmp_path / "weights.pth"

    return write


@pytest.mark.parametrize("model", [coco, resnet50])
def test_a_published_checkpoint_fills_the_whole_trunk_and_the_box_head(own, written, model):
    path = written(model)

    weights = read_trunk(path, own)

    needed = {name: tensor.shape for name, tensor in own.items() if name.startswith(TRUNK)}
    assert len(needed) == 265
    assert {name: tensor.shape for name, tensor in weights.items()} == needed
    layer = "layer1.0.conv1.weight"
    assert weights[f"detector.backbone.{layer}"][0, 0] == len(layer) + len("backbone.body." if model is coco else "")


def test_a_safetensors_file_is_read_too_and_what_is_no_trunk_is_left_out(tmp_path):
    own = parameters_of("smoke")
    trunk = {name: torch.rand(tensor.shape) for name, tensor in own.items() if name.startswith(TRUNK)}
    published = {name.removeprefix(TRUNK[0]).removeprefix(TRUNK[1]): tensor for name, tensor in trunk.items()}
    others = {"fc.weight": torch.ones(2), "bn1.num_batches_tracked": torch.tensor(3)}
    save_file(published | others, tmp_path / "trunk.safetensors")

    weights = read_trunk(tmp_path / "trunk.safetensors", own)

    assert weights.keys() == trunk.keys()
    assert all((weights[name] == tensor).all() for name, tensor in trunk.items())


@pytest.mark.parametrize("preset", ["compact", "smoke"])
def test_a_trunk_wider_than_that_of_the_preset_is_refused(written, preset):
    width = {"compact": 16, "smoke": 8}[preset]

    with pytest.raises(KidneySegError, match=rf"'conv1.weight' is 64 x 3 x 7 x 7; that of the detector is {width} x 3"):
        read_trunk(written(resnet50), parameters_of(preset))


@pytest.mark.parametrize("model", [resnet18, resnet101])
def test_the_trunk_of_another_resnet_is_refused(own, written, model):
    with pytest.raises(KidneySegError, match=r"holds a trunk whose 'layer.*that of the detector.*resnet50 weights"):
        read_trunk(written(model), own)


def test_a_trunk_that_lacks_a_layer_is_refused(own, written):
    with pytest.raises(KidneySegError, match=r"'layer4.2.bn3.bias' is missing; that of the detector is 2048\."):
        read_trunk(written(resnet50, **{"layer4.2.bn3.bias": 0}), own)


def test_a_file_without_a_resnet_is_refused(own, tmp_path):
    save_file({"head.bias": torch.ones(1)}, tmp_path / "other.safetensors")

    with pytest.raises(
        KidneySegError, match=r"holds \['head.bias'\].*needed the layers of a ResNet.*Give torchvision's"
    ):
        read_trunk(tmp_path / "other.safetensors", own)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_file_that_is_none_of_weights_is_refused(own, tmp_path, name):
    (tmp_path / name).write_bytes(b"no weights")

    with pytest.raises(KidneySegError, match="cannot be read as weights"):
        read_trunk(tmp_path / name, own)


def test_a_pickled_program_is_not_run(own, tmp_path):
    torch.save({"conv1.weight": print}, tmp_path / "weights.pth")

    with pytest.raises(KidneySegError, match="needed a file that holds tensors only"):
        read_trunk(tmp_path / "weights.pth", own)


def test_a_missing_file_is_named(own, tmp_path):
    with pytest.raises(KidneySegError, match=r"No file at '.*gone.pth'"):
        read_trunk(tmp_path / "gone.pth", own)
