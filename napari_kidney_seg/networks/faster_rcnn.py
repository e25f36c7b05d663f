"""Faster R-CNN on the conv4 features of a ResNet, slice by slice (rcnn-vnet). Built of torchvision's parts.

References
----------
.. [1] Ren et al., "Faster R-CNN", NeurIPS 2015, arXiv:1506.01497.
.. [2] Kamkova et al., "Kidney and tumor segmentation using combined Deep learning method", KiTS19.
.. [3] Wu and He, "Group Normalization", ECCV 2018, arXiv:1803.08494.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead
from torchvision.models.resnet import Bottleneck
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

ANCHOR_SCALES = (1 / 8, 1 / 4, 1 / 2, 1.0)  # of the input; 64 to 512 pixels at 512 (TensorFlow sample configuration)
ANCHOR_RATIOS = (0.5, 1.0, 2.0)
RPN_NMS_IOU, BOX_NMS_IOU = 0.7, 0.6
MIN_SCORE = 0.5
CERTAIN = 0.999  # scores are kept between just above MIN_SCORE and this, so that their logits stay finite
POSITIVE_SHARE = 0.5  # negatives to positives 1:1, section 3.2 of [2]
REGIONS_PER_SLICE = 64  # that train the box head; TensorFlow sample configuration
GROUPS = 8  # of group normalization

Norm = Callable[[int], nn.Module]


class SliceDetector(nn.Module):
    """Finds boxes on each slice and paints them: (B, 1, Z, Y, X) CT in 0..1 to (B, classes, Z, Y, X) scores.

    Softmax over the scores gives each voxel the score of the best box that covers it, 0 outside all boxes; so every box
    of at least 0.5 is foreground. With targets it returns the loss instead.

    Parameters
    ----------
    classes : int
        Background and the things to find.
    width : int
        Of the first block; the conv4 features have 16 times as many channels. 64 makes a ResNet-50 of [3, 4, 6, 3].
    blocks : residual blocks of conv2 to conv5
    norm : ``"frozen"`` or ``"group"``
        Frozen batch statistics only make sense with trunk weights from a file (`networks.resnet_trunk`); group
        normalization [3]_ trains from scratch.
    input_size : int
        Pixels; slices of other sizes are scaled to fit, and boxes scaled back.
    proposals : int
        Kept of the region proposal network per slice.

    Notes
    -----
    With the defaults: 32.975 million parameters. Slices are repeated to three channels and get torchvision's mean and
    standard deviation, as the trunk was trained with. The box head is conv5 and a global mean.
    """

    def __init__(
        self,
        *,
        classes: int,
        width: int = 64,
        blocks: Sequence[int] = (3, 4, 6, 3),
        norm: str = "frozen",
        input_size: int = 512,
        proposals: int = 300,
    ) -> None:
        super().__init__()
        make_norm: Norm = FrozenBatchNorm2d if norm == "frozen" else _group_norm
        trunk = _Trunk(width, blocks[:3], make_norm)
        anchors = tuple(round(input_size * scale) for scale in ANCHOR_SCALES)
        generator = AnchorGenerator(sizes=(anchors,), aspect_ratios=(ANCHOR_RATIOS,))
        self.classes = classes
        self.detector = FasterRCNN(
            trunk,
            rpn_anchor_generator=generator,
            rpn_head=_FloatRPNHead(trunk.out_channels, generator.num_anchors_per_location()[0]),
            box_roi_pool=MultiScaleRoIAlign(["0"], _region_cells(input_size), 2),
            box_head=_BoxHead(width, blocks[3], make_norm),
            box_predictor=_FloatPredictor(32 * width, classes),
            min_size=input_size,
            max_size=input_size,
            rpn_post_nms_top_n_train=proposals,
            rpn_post_nms_top_n_test=proposals,
            rpn_nms_thresh=RPN_NMS_IOU,
            rpn_positive_fraction=POSITIVE_SHARE,
            box_positive_fraction=POSITIVE_SHARE,
            box_nms_thresh=BOX_NMS_IOU,
            box_batch_size_per_image=REGIONS_PER_SLICE,
            box_score_thresh=MIN_SCORE,
        )

    def forward(self, windows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return scores (B, classes, Z, Y, X), or with `targets` the loss per sample (B,).

        Parameters
        ----------
        windows : shape (B, 1, Z, Y, X), 0..1
        targets : shape (B, 1 + K, Z, Y, X), 0 or 1
            Channel 0 is not read; of each other channel the smallest rectangle that holds its ones is a box to find.
        """
        # Engines that trace would fix the number of boxes; on this error they fall back to torch.
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            raise RuntimeError("the number of boxes depends on the image, so that the network cannot be traced")
        if targets is not None:
            return torch.stack([self._loss(*pair) for pair in zip(windows, targets, strict=True)])
        return torch.stack([self._scores(window) for window in windows])

    def boxes(self, window: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return for each slice of `window` (1, Z, Y, X) its boxes (N, 4), (y1, x1, y2, x2), and their scores (N,)."""
        return [(one["boxes"][:, [1, 0, 3, 2]], one["scores"]) for one in self.detector(_slices(window))]

    def _scores(self, window: Tensor) -> Tensor:
        found = self.detector(_slices(window))
        return torch.stack([self._painted(one, window.shape[2:]) for one in found], dim=1)

    def _painted(self, found: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
        """Return the scores (classes, Y, X) of one slice; the best box is painted last."""
        painted = torch.full((self.classes, *shape), 1 - CERTAIN, device=found["scores"].device)
        scores = found["scores"].float().clamp(MIN_SCORE + 1 - CERTAIN, CERTAIN)
        corners = found["boxes"].float().round().long().tolist()
        for index in scores.argsort().tolist():
            x1, y1, x2, y2 = corners[index]
            painted[found["labels"][index], y1:y2, x1:x2] = scores[index]
        painted = painted.logit()
        painted[0] = 0
        return painted

    def _loss(self, window: Tensor, target: Tensor) -> Tensor:
        """Return the four losses of proposals and boxes, summed with weight 1 (equation 1 of [2]_)."""
        wanted = [_boxes_to_find(target[1:, z]) for z in range(target.shape[1])]
        losses: dict[str, Tensor] = self.detector(_slices(window), wanted)
        return torch.stack(list(losses.values())).sum()


class _Trunk(nn.Module):
    """ResNet up to conv4, stride 16; layers are named as in torchvision."""

    def __init__(self, width: int, blocks: Sequence[int], norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _blocks(width, width, blocks[0], 1, norm)
        self.layer2 = _blocks(4 * width, 2 * width, blocks[1], 2, norm)
        self.layer3 = _blocks(8 * width, 4 * width, blocks[2], 2, norm)
        self.out_channels = 16 * width
        self.apply(_start_he_normal)

    def forward(self, x: Tensor) -> Tensor:
        """Return the conv4 features (B, 16 * width, Y/16, X/16)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        features: Tensor = self.layer3(self.layer2(self.layer1(x)))
        return features


class _BoxHead(nn.Module):
    """conv5 and a global mean: (N, 16 * width, s, s) to (N, 32 * width)."""

    def __init__(self, width: int, blocks: int, norm: Norm) -> None:
        super().__init__()
        self.layer4 = _blocks(16 * width, 8 * width, blocks, 2, norm)
        self.apply(_start_he_normal)

    def forward(self, regions: Tensor) -> Tensor:
        """Return one feature vector per region."""
        features: Tensor = self.layer4(regions)
        return features.mean(dim=(2, 3))


class _FloatRPNHead(RPNHead):  # type: ignore[misc]
    """torchvision's head with float32 results: boxes are decoded, sorted and compared in full precision."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return objectness and box deltas for each feature map."""
        objectness, deltas = super().forward(x)
        return [one.float() for one in objectness], [one.float() for one in deltas]


class _FloatPredictor(FastRCNNPredictor):  # type: ignore[misc]
    """torchvision's predictor with float32 results."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores and box deltas for each region."""
        scores, deltas = super().forward(x)
        return scores.float(), deltas.float()


def _region_cells(input_size: int) -> int:
    """Return the cells per side in which a proposal is read from the features: 14 at 512 pixels, at least 7."""
    return max(7, 14 * input_size // 512)


def _slices(window: Tensor) -> list[Tensor]:
    """Return the slices of `window` (1, Z, Y, X) as images (3, Y, X)."""
    return [one.expand(3, -1, -1) for one in window.unbind(1)]


def _boxes_to_find(masks: Tensor) -> dict[str, Tensor]:
    """Return torchvision's target for one slice from `masks` (K, Y, X): a box (x1, y1, x2, y2) per mask that is set."""
    boxes = [_extent(mask) for mask in masks if mask.any()]
    found = torch.tensor(boxes, dtype=torch.float32, device=masks.device).reshape(-1, 4)
    return {"boxes": found, "labels": torch.ones(len(boxes), dtype=torch.int64, device=masks.device)}


def _extent(mask: Tensor) -> tuple[int, int, int, int]:
    rows, columns = (mask.any(dim=axis).nonzero().flatten() for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _blocks(channels_in: int, planes: int, count: int, stride: int, norm: Norm) -> nn.Sequential:
    """Return `count` bottleneck blocks, the first with `stride`; the result has 4 * `planes` channels."""
    out = planes * Bottleneck.expansion
    shortcut = nn.Sequential(nn.Conv2d(channels_in, out, 1, stride, bias=False), norm(out))
    first = Bottleneck(channels_in, planes, stride, shortcut, norm_layer=norm)
    return nn.Sequential(first, *(Bottleneck(out, planes, norm_layer=norm) for _ in range(count - 1)))


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(GROUPS, channels)


def _start_he_normal(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
