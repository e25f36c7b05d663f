"""SC-UNet: a 3D U-Net whose last up group exists three times, for the organs and for their edges (bisc-unet).

References
----------
.. [1] Wang et al., "BiSC-UNet: A fine segmentation framework for kidney and renal tumor", KiTS19, section 2.1.
.. [2] Cicek et al., "3D U-Net", MICCAI 2016, arXiv:1606.06650.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUP = 4  # channels normalized together
EDGE_CLASSES = 2  # no, yes


def _conv(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, 3, padding=1),
        nn.GroupNorm(max(1, channels_out // GROUP), channels_out),
        nn.ReLU(inplace=True),
    )


def _group(channels_in: int, hidden: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(_conv(channels_in, hidden), _conv(hidden, channels_out))


class _Up(nn.Module):
    """Transposed convolution, concatenation with the skip, two convolutions."""

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int) -> None:
        super().__init__()
        self.rise = nn.ConvTranspose3d(channels_in, channels_in, 2, stride=2)
        self.group = _group(channels_in + channels_skip, channels_out, channels_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return features (B, out, Z, Y, X) at the size of `skip`."""
        features: Tensor = self.group(torch.cat([self.rise(x), skip], dim=1))
        return features


class _Branch(nn.Module):
    """The third up group with a head of its own."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.up = _Up(4 * width, 2 * width, 2 * width)
        self.head = nn.Conv3d(2 * width, classes, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return scores (B, classes, Z, Y, X)."""
        scores: Tensor = self.head(self.up(x, skip))
        return scores


class ScUNet(nn.Module):
    """Structural-constraint U-Net; (B, 1, Z, Y, X) CT to scores before softmax.

    Parameters
    ----------
    classes : int
        Of the main branch, with the background.
    width : int
        Channels of the first convolution; every other width is a multiple of it.
    edges : int
        Branches that learn an edge each.

    Notes
    -----
    Sizes must be multiples of 8. Widths and normalization are choices where the paper says nothing (METHODS.md
    section 3): they are those of the group's public code of the same years.
    """

    def __init__(self, *, classes: int, width: int = 16, edges: int = 2) -> None:
        super().__init__()
        b = width
        self.downs = nn.ModuleList((_group(1, b, 2 * b), _group(2 * b, 2 * b, 4 * b), _group(4 * b, 4 * b, 8 * b)))
        self.bottom = _group(8 * b, 8 * b, 16 * b)
        self.ups = nn.ModuleList((_Up(16 * b, 8 * b, 8 * b), _Up(8 * b, 4 * b, 4 * b)))
        self.main = _Branch(b, classes)
        self.edges = nn.ModuleList(_Branch(b, EDGE_CLASSES) for _ in range(edges))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return main scores (B, classes, Z, Y, X); in training mode a tuple of them and each edge's (B, 2, Z, Y, X).

        The edges only help to learn; outside training their branches are not computed.
        """
        skips = []
        for down in self.downs:
            skips.append(down(x))
            x = functional.max_pool3d(skips[-1], 2)
        x = self.bottom(x)
        for up in self.ups:
            x = up(x, skips.pop())
        scores: Tensor = self.main(x, skips[0])
        return (scores, *(edge(x, skips[0]) for edge in self.edges)) if self.training else scores
