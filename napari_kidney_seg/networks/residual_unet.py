"""Residual U-Nets of the coarse-to-fine cascade for KiTS23: 3D for locating, 2.5D for the fine stages.

References
----------
.. [1] Chen and Zhang, "An Ensemble of 2.5D ResUnet Based Models for Segmentation of Kidney and Masses", KiTS23.
.. [2] Diakogiannis et al., "ResUNet-a", ISPRS J. Photogramm. Remote Sens. 162, 2020, arXiv:1904.00592.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

Triple = tuple[int, int, int]
ISOTROPIC: Triple = (3, 3, 3)
IN_PLANE: Triple = (1, 3, 3)
LEAK = 0.01


def _same_padding(kernel: Triple) -> Triple:
    return tuple(size // 2 for size in kernel)  # type: ignore[return-value]


class ResidualUnit(nn.Module):
    """conv-norm-LeakyReLU-conv-norm plus shortcut, then LeakyReLU; (B, in, Z, Y, X) to (B, out, Z, Y, X).

    Parameters
    ----------
    channels_in, channels_out : int
    kernel : (z, y, x)
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: Triple) -> None:
        super().__init__()
        padding = _same_padding(kernel)
        self.conv1 = nn.Conv3d(channels_in, channels_out, kernel, padding=padding, bias=False)
        self.norm1 = nn.InstanceNorm3d(channels_out, affine=True)
        self.conv2 = nn.Conv3d(channels_out, channels_out, kernel, padding=padding, bias=False)
        self.norm2 = nn.InstanceNorm3d(channels_out, affine=True)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv3d(channels_in, channels_out, 1, bias=False),
                nn.InstanceNorm3d(channels_out, affine=True),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of `x`."""
        hidden = functional.leaky_relu(self.norm1(self.conv1(x)), LEAK, inplace=True)
        hidden = self.norm2(self.conv2(hidden))
        return functional.leaky_relu(hidden + self.shortcut(x), LEAK, inplace=True)


class _Down(nn.Module):
    """Strided convolution to the next level, then residual units; the kernel is 3 where the stride is 2, else 1."""

    def __init__(self, channels: tuple[int, int], kernel: Triple, stride: Triple, units: int) -> None:
        super().__init__()
        reach: Triple = tuple(3 if step > 1 else 1 for step in stride)  # type: ignore[assignment]
        self.reduce = nn.Conv3d(channels[0], channels[1], reach, stride, _same_padding(reach))
        self.units = nn.Sequential(*(ResidualUnit(channels[1], channels[1], kernel) for _ in range(units)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of the next level."""
        features: Tensor = self.units(self.reduce(x))
        return features


class _Up(nn.Module):
    """1x1x1 convolution to the skip's width, trilinear resize, concatenation, one residual unit."""

    def __init__(self, channels_in: int, channels_skip: int, kernel: Triple) -> None:
        super().__init__()
        self.narrow = nn.Conv3d(channels_in, channels_skip, 1)
        self.unit = ResidualUnit(2 * channels_skip, channels_skip, kernel)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return features at the skip's size."""
        x = functional.interpolate(self.narrow(x), size=skip.shape[2:], mode="trilinear", align_corners=False)
        features: Tensor = self.unit(torch.cat([x, skip], dim=1))
        return features


class ResidualUNet(nn.Module):
    """U-Net of residual units; (B, channels, Z, Y, X) to (B, classes, Z, Y, X) scores before softmax.

    Parameters
    ----------
    classes : int
    widths : channels per level, finest first
    kernels : kernel (z, y, x) per level
        (1, 3, 3) at fine and (3, 3, 3) at coarse levels makes the network "2.5D".
    strides : stride (z, y, x) into each level after the first
    units : residual units per encoder level; the decoder has one
    channels : of the input, the CT first

    Notes
    -----
    Sizes must be multiples of the product of the strides. Weights start He normal (tables 2 and 3 of [1]_); layer
    counts are choices where the paper's figure is missing (METHODS.md section 4). The parallel dilations and the
    pyramid pooling of ResUNet-a [2]_ are left out: they are 2D.
    """

    def __init__(
        self,
        *,
        classes: int,
        widths: Sequence[int],
        kernels: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        units: int = 2,
        channels: int = 1,
    ) -> None:
        super().__init__()
        shapes: list[Triple] = [tuple(kernel) for kernel in kernels]  # type: ignore[misc]
        steps: list[Triple] = [tuple(stride) for stride in strides]  # type: ignore[misc]
        self.entry = nn.Sequential(
            nn.Conv3d(channels, widths[0], shapes[0], padding=_same_padding(shapes[0])),
            *(ResidualUnit(widths[0], widths[0], shapes[0]) for _ in range(units)),
        )
        pairs = list(pairwise(widths))
        self.downs = nn.ModuleList(
            _Down(pair, kernel, stride, units) for pair, kernel, stride in zip(pairs, shapes[1:], steps, strict=True)
        )
        self.ups = nn.ModuleList(
            _Up(wide, narrow, kernel) for (narrow, wide), kernel in reversed(list(zip(pairs, shapes[:-1], strict=True)))
        )
        self.head = nn.Conv3d(widths[0], classes, 1)
        self.apply(_start_he_normal)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores before softmax."""
        skips = [self.entry(x)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        scores: Tensor = self.head(x)
        return scores


def _start_he_normal(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, a=LEAK)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
