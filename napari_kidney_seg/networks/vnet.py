"""The original V-Net, layer by layer (rcnn-vnet).

References
----------
.. [1] Milletari, Navab and Ahmadi, "V-Net", 3DV 2016, arXiv:1606.04797, figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

KERNEL = 5


class ResidualStage(nn.Module):
    """Convolutions 5x5x5 whose last result is added to the stage's input; (B, in, Z, Y, X) to (B, out, Z, Y, X).

    Parameters
    ----------
    channels_in, channels_out : int
        Equal, or one channel in, which is then added to every channel out.
    convolutions : int
    norm : ``"batch"`` or None
    """

    def __init__(self, channels_in: int, channels_out: int, convolutions: int, norm: str | None) -> None:
        super().__init__()
        widths = [channels_in, *[channels_out] * convolutions]
        has_bias = norm is None  # batch normalization takes the mean away, and with it a bias
        convs = [nn.Conv3d(a, b, KERNEL, padding=KERNEL // 2, bias=has_bias) for a, b in pairwise(widths)]
        self.convs = nn.ModuleList(nn.Sequential(conv, _norm(norm, channels_out)) for conv in convs)
        self.activations = nn.ModuleList(nn.PReLU(channels_out) for _ in convs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of `x`."""
        hidden = x
        for conv, activation in zip(self.convs[:-1], self.activations[:-1], strict=True):
            hidden = activation(conv(hidden))
        features: Tensor = self.activations[-1](self.convs[-1](hidden) + x)
        return features


class VNet(nn.Module):
    """V-Net; (B, 1, Z, Y, X) CT to (B, classes, Z, Y, X) scores before softmax.

    Parameters
    ----------
    classes : int
    widths : channels per level, finest first; (16, 32, 64, 128, 256) in [1]_
    encoder : convolutions per level, finest first; (1, 2, 3, 3, 3) in [1]_
    decoder : convolutions per level, coarsest first; (3, 3, 2, 1) in [1]_
    norm : ``"batch"`` or None
        After every convolution. None is the original; batch normalization, as in the common ports, makes training from
        scratch at a small learning rate steadier.

    Notes
    -----
    Sizes must be multiples of 16 (of 2 to the number of levels less one). Down-sampling is a 2x2x2 convolution of
    stride 2, up-sampling its transpose, both followed by a PReLU per channel; a decoder stage sees the up-sampled
    features beside those of the encoder. ``monai.networks.nets.VNet`` differs: 1, 2, 3, 2 and 2, 2, 1, 1 convolutions,
    ELU, and dropout on the skips.
    """

    def __init__(
        self,
        *,
        classes: int,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        encoder: Sequence[int] = (1, 2, 3, 3, 3),
        decoder: Sequence[int] = (3, 3, 2, 1),
        norm: str | None = "batch",
    ) -> None:
        super().__init__()
        entries = [1, *widths[1:]]
        self.encoders = nn.ModuleList(
            ResidualStage(entry, width, count, norm)
            for entry, width, count in zip(entries, widths, encoder, strict=True)
        )
        self.downs = nn.ModuleList(_resampling(nn.Conv3d(a, b, 2, 2), norm) for a, b in pairwise(widths))
        skips = list(reversed(widths[:-1]))
        sources = [widths[-1], *(2 * width for width in skips[:-1])]  # what each up-sampling gets
        self.ups = nn.ModuleList(
            _resampling(nn.ConvTranspose3d(a, b, 2, 2), norm) for a, b in zip(sources, skips, strict=True)
        )
        self.decoders = nn.ModuleList(
            ResidualStage(2 * width, 2 * width, count, norm) for width, count in zip(skips, decoder, strict=True)
        )
        self.head = nn.Conv3d(2 * widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores before softmax."""
        skips = [self.encoders[0](x)]
        for down, encoder in zip(self.downs, self.encoders[1:], strict=True):
            skips.append(encoder(down(skips[-1])))
        x = skips.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([up(x), skips.pop()], dim=1))
        scores: Tensor = self.head(x)
        return scores


def _norm(norm: str | None, channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if norm == "batch" else nn.Identity()


def _resampling(convolution: nn.Conv3d | nn.ConvTranspose3d, norm: str | None) -> nn.Sequential:
    channels = convolution.out_channels
    return nn.Sequential(convolution, _norm(norm, channels), nn.PReLU(channels))
