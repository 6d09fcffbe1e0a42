"""What a detector says of an image, made one box a thing: with parts for what is small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embodied_perception.open_vocabulary.detections import Detections, suppress
from embodied_perception.open_vocabulary.tiles import merge, tiles_of
from embodied_perception.open_vocabulary.words import Words

if TYPE_CHECKING:  # PyTorch comes with it
    from embodied_perception.open_vocabulary.detector import Detector

THRESHOLD, MOST_OVERLAP = 0.2, 0.5
_TILE_OVERLAP = 0.2


@dataclass(frozen=True)
class Finder:
    """Finds what words name.

    Attributes:
        detector: what it asks.
        threshold: least score of a box, of labels that have none of their own.
        most_overlap: of boxes that overlap more, the surest stays.
        tiles: parts of the image along each side that are looked at besides the whole; 1: none.

    """

    detector: Detector
    threshold: float = THRESHOLD
    most_overlap: float = MOST_OVERLAP
    tiles: int = 1

    def find(self, image_rgb: np.ndarray, words: Words) -> Detections:
        """Find things in an image (H, W, 3) uint8 RGB.

        Raises:
            InferenceError: the image is something else, or the model fails.

        """
        found = self.detector.detect([image_rgb], words, self.threshold)
        if self.tiles == 1:
            return suppress(found[0], self.most_overlap)
        resolution_wh = image_rgb.shape[1], image_rgb.shape[0]
        tiles = tiles_of(resolution_wh, self.tiles, _TILE_OVERLAP)
        # The whole image, the first of them, is of another size than the parts.
        parts = [tile.cut(image_rgb) for tile in tiles[1:]]
        found += self.detector.detect(parts, words, self.threshold)
        return merge(found, tiles, resolution_wh, self.most_overlap)
