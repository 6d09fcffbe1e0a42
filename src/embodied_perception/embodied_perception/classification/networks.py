"""AlexNet and VGG, which transformers lacks, with the names of torchvision's checkpoints.

Source: A. Krizhevsky, One Weird Trick for Parallelizing Convolutional Neural Networks, 2014, for
the AlexNet of one tower; K. Simonyan and A. Zisserman, Very Deep Convolutional Networks, 2015,
table 1.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

#: Channels of the convolutions of each block, between two halvings of the size.
VGG_BLOCKS: dict[str, tuple[tuple[int, ...], ...]] = {
    "vgg11": ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg13": ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg16": ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}
_NORMALISED = "_bn"
#: Names that :func:`network_named` knows.
NETWORKS = ("alexnet", *VGG_BLOCKS, *(name + _NORMALISED for name in VGG_BLOCKS))


class _Classifier(nn.Module):
    """Convolutions, then fully connected layers on what is left, pooled to a fixed size."""

    features: nn.Sequential
    classifier: nn.Sequential

    def __init__(self, pooled: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)

    def forward(self, images: Tensor) -> Tensor:
        """Score classes.

        Args:
            images: (B, 3, H, W), normalised as in training; 63 pixels or more a side.

        Returns:
            Logits (B, classes).

        """
        scores: Tensor = self.classifier(self.avgpool(self.features(images)).flatten(1))
        return scores


class AlexNet(_Classifier):
    """Five convolutions and three fully connected layers."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__(pooled=6)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
            nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, classes),
        )  # fmt: skip


class VGG(_Classifier):
    """Blocks of 3x3 convolutions, each ended by a halving of the size.

    Args:
        name: one of :data:`VGG_BLOCKS`.
        classes: number of them.
        normalised: with batch normalisation after each convolution.

    """

    def __init__(self, name: str, classes: int = 1000, normalised: bool = False) -> None:
        super().__init__(pooled=7)
        layers: list[nn.Module] = []
        before = 3
        for block in VGG_BLOCKS[name]:
            for first, second in pairwise((before, *block)):
                layers.append(nn.Conv2d(first, second, 3, padding=1))
                layers += [nn.BatchNorm2d(second)] if normalised else []
                layers.append(nn.ReLU())
            layers.append(nn.MaxPool2d(2, 2))
            before = block[-1]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, classes),
        )  # fmt: skip


def network_named(name: str, classes: int = 1000) -> nn.Module:
    """Make a network of :data:`NETWORKS`, with weights that say nothing yet."""
    if name == "alexnet":
        return AlexNet(classes)
    return VGG(name.removesuffix(_NORMALISED), classes, name.endswith(_NORMALISED))
