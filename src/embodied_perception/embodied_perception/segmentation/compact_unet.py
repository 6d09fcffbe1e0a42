"""A compact U-Net: an encoder-decoder of under a million parameters that a robot's CPU can run.

Blocks see two distances at once, near by a plain and far by a dilated depthwise convolution, each
split into a column and a row; they work on half the channels, as a bottleneck. The decoder learns
to upsample what is half as large with what the encoder saw at that size.

Source: O. Ronneberger et al., U-Net, 2015, for the shape; G. Li et al., DABNet, 2019, for the
block; W. Shi et al., Real-Time Single Image Super-Resolution, 2016, for the upsampling (sub-pixel).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

#: Of the blocks at a quarter of the size, and at an eighth.
_DILATIONS = ((2, 2, 2), (4, 4, 8, 8, 16, 16))


class Body(nn.Module):
    """RGB images to features for every other pixel: down to an eighth, and up again with merges.

    Args:
        channels: at half the size, a quarter, and an eighth.

    """

    _deepest = 8  # input sizes are padded to a multiple of it

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = channels
        self.stem = nn.Sequential(
            Convolution(3, first, 3, stride=2),
            Convolution(first, first, 3),
            Convolution(first, first, 3),
        )
        self.encode_4 = _stage(first, second, _DILATIONS[0])
        self.encode_8 = _stage(second, third, _DILATIONS[1])
        self.context = GlobalContext(third)
        self.decode_4 = Merge(third, second, second)
        self.decode_2 = Merge(second, first, first)

    def features(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) RGB from 0 to 1 to (B, C, h, w); h and w are half of the padded."""
        height, width = images.shape[-2:]
        missing = -width % self._deepest, -height % self._deepest
        images = pad(images, (0, missing[0], 0, missing[1]), mode="replicate")
        at_2 = self.stem(2.0 * images - 1.0)
        at_4 = self.encode_4(at_2)
        at_8 = self.context(self.encode_8(at_4))
        decoded: Tensor = self.decode_2(self.decode_4(at_8, at_4), at_2)
        return decoded


class CompactUNet(Body):
    """Segments RGB images.

    Args:
        classes: number of them.

    """

    _CHANNELS = (24, 48, 96)

    def __init__(self, classes: int) -> None:
        super().__init__(self._CHANNELS)
        self.dropout = nn.Dropout2d(0.1)
        first = self._CHANNELS[0]
        self.classify = nn.Sequential(nn.Conv2d(first, 4 * classes, 1), nn.PixelShuffle(2))

    def forward(self, images: Tensor) -> Tensor:
        """Score each class at each pixel.

        Args:
            images: (B, 3, H, W) RGB from 0 to 1.

        Returns:
            Logits (B, classes, H, W).

        """
        height, width = images.shape[-2:]
        logits: Tensor = self.classify(self.dropout(self.features(images)))
        return logits[..., :height, :width]


class Convolution(nn.Sequential):
    """Convolution, normalisation and rectifier, of the same size or half of it."""

    def __init__(
        self, before: int, after: int, size: int | Sequence[int], stride: int = 1, groups: int = 1
    ) -> None:
        sides = (size, size) if isinstance(size, int) else tuple(size)
        super().__init__(
            nn.Conv2d(
                before,
                after,
                sides,
                stride,
                padding=[side // 2 for side in sides],
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(after),
            nn.PReLU(after),
        )


class Downsample(nn.Module):
    """Half the size: a convolution learns, and a maximum keeps, what matters."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.learnt = nn.Conv2d(before, after - before, 3, stride=2, padding=1, bias=False)
        self.kept = nn.MaxPool2d(2)
        self.norm = nn.Sequential(nn.BatchNorm2d(after), nn.PReLU(after))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / 2, W / 2)."""
        mixed: Tensor = self.norm(torch.cat((self.learnt(x), self.kept(x)), 1))
        return mixed


class TwoDistances(nn.Module):
    """What is near and what is far, added to what was there: depthwise asymmetric bottleneck."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Sequential(
            nn.BatchNorm2d(channels), nn.PReLU(channels), Convolution(channels, half, 3)
        )
        self.near = _column_and_row(half, 1)
        self.far = _column_and_row(half, dilation)
        self.expand = nn.Sequential(
            nn.BatchNorm2d(half), nn.PReLU(half), nn.Conv2d(half, channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        reduced = self.reduce(x)
        return x + self.expand(self.near(reduced) + self.far(reduced))


class GlobalContext(nn.Module):
    """Weighs channels by what the whole image shows.

    Source: J. Hu et al., Squeeze-and-Excitation Networks, 2018.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // 4, 1),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        weighed: Tensor = x * self.weigh(x)
        return weighed


class Merge(nn.Module):
    """Upsamples what is deep, and joins it with what was seen at that size."""

    def __init__(self, deep: int, skipped: int, after: int) -> None:
        super().__init__()
        self.up = nn.Sequential(nn.Conv2d(deep, 4 * after, 1), nn.PixelShuffle(2))
        self.mix = nn.Sequential(
            Convolution(after + skipped, after, 1), Convolution(after, after, 3)
        )

    def forward(self, deep: Tensor, skipped: Tensor) -> Tensor:
        """(B, D, H / 2, W / 2) and (B, S, H, W) to (B, A, H, W)."""
        mixed: Tensor = self.mix(torch.cat((self.up(deep), skipped), 1))
        return mixed


def _stage(before: int, after: int, dilations: Sequence[int]) -> nn.Sequential:
    blocks = [TwoDistances(after, dilation) for dilation in dilations]
    return nn.Sequential(Downsample(before, after), *blocks)


def _column_and_row(channels: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            nn.Sequential(
                nn.Conv2d(
                    channels,
                    channels,
                    size,
                    padding=tuple(dilation * (side // 2) for side in size),
                    dilation=tuple(dilation if side > 1 else 1 for side in size),
                    groups=channels,
                    bias=False,
                ),
                nn.BatchNorm2d(channels),
                nn.PReLU(channels),
            )
            for size in ((3, 1), (1, 3))
        )
    )
