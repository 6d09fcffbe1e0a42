"""From a sensor's bytes to pictures and depth: encodings, files, video, colours."""

from embodied_perception.imaging.develop import DevelopConfig, develop
from embodied_perception.imaging.encodings import DEPTHS, ENCODINGS, PICTURES, Encoding
from embodied_perception.imaging.pixels import (
    CompressedDepth,
    CompressedPixels,
    Pixels,
    RawPixels,
)

__all__ = [
    "DEPTHS",
    "ENCODINGS",
    "PICTURES",
    "CompressedDepth",
    "CompressedPixels",
    "DevelopConfig",
    "Encoding",
    "Pixels",
    "RawPixels",
    "develop",
]
