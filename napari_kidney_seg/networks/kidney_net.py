"""Kidney-Net of the two-stage cascade for KiTS21: a 3D U-Net with three poolings.

References
----------
.. [1] Lin, Fu and Zheng, "Kidney and kidney tumor segmentation using a two-stage cascade framework", KiTS21.
.. [2] Cicek et al., "3D U-Net", MICCAI 2016, arXiv:1606.06650.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def convolutions(channels: Sequence[int], kernel: tuple[int, int, int] = (3, 3, 3)) -> nn.Sequential:
    """Return convolution, batch norm and ReLU for each step of `channels`; sizes stay as they are.

    Parameters
    ----------
    channels : widths, that of the input first
    kernel : (z, y, x)
    """
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(channels):
        layers += [
            nn.Conv3d(narrow, wide, kernel, padding=padding, bias=False),
            nn.BatchNorm3d(wide),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class KidneyNet(nn.Module):
    """U-Net of two convolutions a level; (B, 1, Z, Y, X) CT to (B, classes, Z, Y, X) scores before softmax.

    Parameters
    ----------
    classes : int
    widths : channels per level, finest first

    Notes
    -----
    Sizes must be multiples of 8 (of 2 to the power of the poolings). The paper gives the blocks and the three poolings;
    widths 32 to 256 are METHODS.md's choice, after [2]_.
    """

    def __init__(self, *, classes: int, widths: Sequence[int]) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.pool = nn.MaxPool3d(2)
        self.entry = convolutions((1, widths[0], widths[0]))
        self.downs = nn.ModuleList(convolutions((narrow, wide, wide)) for narrow, wide in pairs)
        self.expands = nn.ModuleList(nn.ConvTranspose3d(wide, narrow, 2, stride=2) for narrow, wide in reversed(pairs))
        self.ups = nn.ModuleList(convolutions((2 * narrow, narrow, narrow)) for narrow, _ in reversed(pairs))
        self.head = nn.Conv3d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores before softmax."""
        skips = [self.entry(x)]
        for down in self.downs:
            skips.append(down(self.pool(skips[-1])))
        x = skips.pop()
        for expand, up in zip(self.expands, self.ups, strict=True):
            x = up(torch.cat([expand(x), skips.pop()], dim=1))
        scores: Tensor = self.head(x)
        return scores
