"""Masses-Net of the two-stage cascade for KiTS21: a residual U-Net that reads in 3D and in-plane, with attention.

References
----------
.. [1] Lin, Fu and Zheng, "Kidney and kidney tumor segmentation using a two-stage cascade framework", KiTS21.
.. [2] Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, arXiv:1807.06521.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_kidney_seg.networks.kidney_net import convolutions

ISOTROPIC, IN_PLANE = (3, 3, 3), (1, 3, 3)
REDUCTION = 16  # of the channel attention; with the spatial kernel from the reference code of [2]_
LEAST_HIDDEN = 4  # channels of its hidden layer
SPATIAL_KERNEL = 7
SUPERVISED = 3  # decoder levels with a head, the last ones


def projection(channels_in: int, channels_out: int) -> nn.Sequential:
    """Return a 1x1x1 convolution with batch norm: the shortcut of a block."""
    return nn.Sequential(nn.Conv3d(channels_in, channels_out, 1, bias=False), nn.BatchNorm3d(channels_out))


class ResidualBlock(nn.Module):
    """conv-norm-ReLU-conv-norm plus shortcut, then ReLU; (B, in, Z, Y, X) to (B, out, Z, Y, X)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        # The last ReLU of the convolutions comes after the sum.
        self.convolutions = convolutions((channels_in, channels_out, channels_out))[:-1]
        self.shortcut = projection(channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of `x`."""
        return functional.relu(self.convolutions(x) + self.shortcut(x), inplace=True)


class ChannelAttention(nn.Module):
    """Scales each channel by what a small network makes of its mean and of its maximum; (B, C, Z, Y, X) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(LEAST_HIDDEN, channels // REDUCTION)
        self.shared = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with its channels weighted, 0..1."""
        scores = self.shared(x.mean(dim=(2, 3, 4))) + self.shared(x.amax(dim=(2, 3, 4)))  # (B, C)
        weights: Tensor = scores.sigmoid()[:, :, None, None, None]
        return x * weights


class SpatialAttention(nn.Module):
    """Scales each voxel by what a wide convolution makes of its channels' maximum and mean; shape is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(2, 1, SPATIAL_KERNEL, padding=SPATIAL_KERNEL // 2, bias=False)
        self.norm = nn.BatchNorm3d(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (B, C, Z, Y, X) with its voxels weighted, 0..1."""
        summary = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)  # (B, 2, Z, Y, X)
        weights: Tensor = self.norm(self.convolution(summary)).sigmoid()
        return x * weights


class MultiDimensionFeatures(nn.Module):
    """The MDF module: a 3D and an in-plane branch side by side, attention on channels and voxels, plus shortcut.

    Notes
    -----
    Each branch gives half of the output's channels, so that the sum with the input in equation 3 of [1]_ fits.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.volume = convolutions((channels_in, half, half), ISOTROPIC)
        self.plane = convolutions((channels_in, half, half), IN_PLANE)
        self.attention = nn.Sequential(ChannelAttention(channels_out), SpatialAttention())
        self.shortcut = nn.Identity() if channels_in == channels_out else projection(channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of `x`: (B, in, Z, Y, X) to (B, out, Z, Y, X)."""
        features: Tensor = self.attention(torch.cat([self.volume(x), self.plane(x)], dim=1))
        unchanged: Tensor = self.shortcut(x)
        return features + unchanged


class MassesNet(nn.Module):
    """Residual U-Net of MDF modules; (B, 1, Z, Y, X) CT to (B, classes, Z, Y, X) scores before softmax.

    Parameters
    ----------
    classes : int
    widths : channels per level, finest first
        Even numbers.
    mdf : bool
        False is the paper's ablation: residual blocks in place of the MDF modules.
    deep_supervision : bool
        Whether the network also answers from the two decoder levels before the last while it is trained, its main
        answer first. False is the paper's ablation.

    Notes
    -----
    Sizes must be multiples of 16 (of 2 to the power of the poolings). Every answer is brought to full size before
    softmax (equation 7 of [1]_ compares all with one full-size target).
    """

    def __init__(self, *, classes: int, widths: Sequence[int], mdf: bool = True, deep_supervision: bool = True) -> None:
        super().__init__()
        block = MultiDimensionFeatures if mdf else ResidualBlock
        pairs = list(pairwise(widths))
        upwards = list(reversed(pairs))
        self.pool = nn.MaxPool3d(2)
        self.entry = ResidualBlock(1, widths[0])
        self.downs = nn.ModuleList(block(narrow, wide) for narrow, wide in pairs)
        self.expands = nn.ModuleList(nn.ConvTranspose3d(wide, narrow, 2, stride=2) for narrow, wide in upwards)
        self.ups = nn.ModuleList(block(2 * narrow, narrow) for narrow, _ in upwards)
        self.exit = ResidualBlock(widths[0], widths[0])
        supervised = widths[:SUPERVISED] if deep_supervision else widths[:1]
        self.heads = nn.ModuleList(nn.Conv3d(width, classes, 1) for width in supervised)  # finest first

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return scores before softmax; in training with deep supervision a tuple of them, the finest level first."""
        levels = self._decoded(x)
        if not self.training or len(self.heads) == 1:
            scores: Tensor = self.heads[0](levels[0])
            return scores
        answers = [head(level) for head, level in zip(self.heads, levels, strict=False)]
        return tuple(_at_full_size(answer, x) for answer in answers)

    def _decoded(self, x: Tensor) -> list[Tensor]:
        """Return the features of each decoder level, finest first."""
        skips = [self.entry(x)]
        for down in self.downs:
            skips.append(down(self.pool(skips[-1])))
        levels = [skips.pop()]
        for expand, up in zip(self.expands, self.ups, strict=True):
            levels.append(up(torch.cat([expand(levels[-1]), skips.pop()], dim=1)))
        return [self.exit(levels[-1]), *reversed(levels[1:-1])]


def _at_full_size(scores: Tensor, image: Tensor) -> Tensor:
    size = image.shape[2:]
    if scores.shape[2:] == size:
        return scores
    return functional.interpolate(scores, size=size, mode="trilinear", align_corners=False)
