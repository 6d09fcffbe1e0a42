"""Features of images: found, and followed."""

from embodied_perception.features.detection import detect_corners
from embodied_perception.features.tracking import follow

__all__ = ["detect_corners", "follow"]
