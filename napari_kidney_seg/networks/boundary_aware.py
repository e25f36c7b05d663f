"""The boundary-aware network: a residual encoder and decoder, and a stream that follows edges through attention gates.

References
----------
.. [1] Myronenko and Hatamizadeh, "3D Kidneys and Kidney Tumor Semantic Segmentation using Boundary-Aware Networks",
   KiTS19, arXiv:1909.06684.
.. [2] Myronenko, "3D MRI brain tumor segmentation using autoencoder regularization", BrainLes 2018, arXiv:1810.11654.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.nets.segresnet import SegResNet
from torch import Tensor, nn
from torch.nn import functional

from napari_kidney_seg.core.errors import check_choice

GROUPS = 8  # of group normalization
FUSIONS = ("features", "edge")


class ResidualBlock(nn.Module):
    """GroupNorm-ReLU-conv twice, plus the input; (B, C, Z, Y, X) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(GROUPS, channels),
            nn.ReLU(),
            nn.Conv3d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(GROUPS, channels),
            nn.ReLU(),
            nn.Conv3d(channels, channels, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus what the block adds."""
        added: Tensor = self.layers(x)
        return x + added


class AttentionGate(nn.Module):
    """Weighs boundary features by a map in 0..1 made from them and from the encoder's features of the same level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.boundary = nn.Conv3d(channels, channels, 3, padding=1)
        self.encoder = nn.Conv3d(channels, channels, 3, padding=1)
        self.attention = nn.Conv3d(channels, 1, 1)

    def forward(self, boundary: Tensor, encoder: Tensor) -> Tensor:
        """Return `boundary` (B, C, Z, Y, X) times the attention; `encoder` has the same shape."""
        fused = functional.relu(self.boundary(boundary) + self.encoder(encoder))
        weight: Tensor = self.attention(fused).sigmoid()
        return boundary * weight


class BoundaryStream(nn.Module):
    """From the two deepest levels of the encoder up to full size, gated by the encoder at each level.

    Parameters
    ----------
    widths : channels of the encoder per level, finest first
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        *shallow, deepest = widths
        wide = list(reversed(shallow))  # coarsest first
        self.entry = nn.Conv3d(deepest + wide[0], wide[0], 1)
        self.narrow = nn.ModuleList(nn.Conv3d(above, below, 1) for above, below in pairwise(wide))
        self.blocks = nn.ModuleList(ResidualBlock(width) for width in wide)
        self.gates = nn.ModuleList(AttentionGate(width) for width in wide)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Return features (B, widths[0], Z, Y, X) for the encoder's `levels`, finest first."""
        *shallow, deepest = levels
        encoder = shallow[::-1]
        x = self.entry(torch.cat([_enlarged(deepest), encoder[0]], dim=1))
        gated: Tensor = self.gates[0](self.blocks[0](x), encoder[0])
        for narrow, block, gate, features in zip(
            self.narrow, self.blocks[1:], self.gates[1:], encoder[1:], strict=True
        ):
            gated = gate(block(_enlarged(narrow(gated))), features)
        return gated


class BoundaryAwareNetwork(nn.Module):
    """Encoder, decoder and boundary stream; (B, 1, Z, Y, X) CT to scores before sigmoid.

    Parameters
    ----------
    classes : int
        Nested structures, e.g. kidney with tumor, and tumor; the stream finds the edges of each.
    width : int
        Filters of the first convolution, a multiple of 8; doubled at each level.
    blocks_down : residual blocks per level of the encoder
        The cited design [2]_ has (1, 2, 2, 4); the paper says one per resolution and four at the bottom.
    fuse : ``"features"`` or ``"edge"``
        What the last convolution reads beside the decoder: the features of the stream, or its edge probabilities.
    dropout : float
        Share of the channels dropped after the first convolution while training.

    Raises
    ------
    KidneySegError
        When `fuse` is neither of the two.

    Notes
    -----
    Sizes must be multiples of 2 to the number of levels minus one. The trunk is MONAI's `SegResNet`, which is [2]_
    without its autoencoder. What stands only in the paper's missing figure is a choice (METHODS.md section 5).
    """

    def __init__(
        self,
        *,
        classes: int,
        width: int = 16,
        blocks_down: Sequence[int] = (1, 1, 1, 4),
        fuse: str = "features",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_choice("fuse", fuse, FUSIONS)
        self.fuse = fuse
        self.trunk = SegResNet(
            init_filters=width,
            in_channels=1,
            out_channels=classes,
            dropout_prob=dropout,
            blocks_down=tuple(blocks_down),
            blocks_up=(1,) * (len(blocks_down) - 1),
        )
        # Normalization and ReLU; the convolution after them gives way to `head`, which reads the stream too.
        self.trunk.conv_final = self.trunk.conv_final[:2]
        self.stream = BoundaryStream([width * 2**level for level in range(len(blocks_down))])
        self.edge_head = nn.Conv3d(width, classes, 1)
        self.head = nn.Conv3d(width + (width if fuse == "features" else classes), classes, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of the structures and of their edges, each (B, classes, Z, Y, X)."""
        deepest, levels = self.trunk.encode(x)
        boundary = self.stream(levels)
        edges = self.edge_head(boundary)
        decoded = self.trunk.decode(deepest, levels[::-1])
        beside = boundary if self.fuse == "features" else edges.sigmoid()
        return self.head(torch.cat([decoded, beside], dim=1)), edges


def _enlarged(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
