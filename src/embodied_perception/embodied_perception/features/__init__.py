"""Features of images: found, followed, matched, and their depth."""

from embodied_perception.features.depth_sampling import sample_depth
from embodied_perception.features.detection import detect_corners
from embodied_perception.features.matching import match
from embodied_perception.features.tracking import follow

__all__ = ["detect_corners", "follow", "match", "sample_depth"]
