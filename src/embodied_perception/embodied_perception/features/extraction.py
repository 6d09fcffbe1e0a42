"""Features with descriptors: one interface for all kinds.

A kind is a detector, which says where, and a descriptor, which says what is there. OpenCV's names
for them are wrapped once; what is compared, matched and counted by words are :class:`Features`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from embodied_perception.errors import FeatureError
from embodied_perception.features.hog import describe_patches
from embodied_perception.features.selection import select_balanced

_MANY = 10_000  # that a detector finds before the best are chosen
_PATCH_PX = 31.0  # of detectors that have no scale of their own
_WEAK = 1e-4  # of Shi-Tomasi and Harris: part of the strongest response
_FAST_THRESHOLD = 10


@dataclass(frozen=True, eq=False)
class Features:
    """Places of one image that can be found again.

    Attributes:
        pixels: (N, 2) float32, x and y.
        sizes: (N,) float32 pixels, the diameter of what is described.
        angles: (N,) float32 degrees, of the patch; 0 where the kind knows none.
        responses: (N,) float32, how strong; comparable within one image.
        descriptors: (N, D) uint8 bits (compared by Hamming distance) or float32 (by Euclidean).
        resolution_wh: width and height of the image.

    """

    pixels: np.ndarray
    sizes: np.ndarray
    angles: np.ndarray
    responses: np.ndarray
    descriptors: np.ndarray
    resolution_wh: tuple[int, int]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def is_binary(self) -> bool:
        """Whether descriptors are bits."""
        return self.descriptors.dtype == np.uint8

    def only(self, chosen: np.ndarray) -> Features:
        """Those that a mask (N,) bool or indices choose."""
        return Features(
            self.pixels[chosen],
            self.sizes[chosen],
            self.angles[chosen],
            self.responses[chosen],
            self.descriptors[chosen],
            self.resolution_wh,
        )


#: Where: OpenCV's detectors. For all of them, responses are higher for what is found more surely.
DETECTORS: dict[str, Callable[[], cv2.Feature2D]] = {
    # E. Rosten and T. Drummond, Machine Learning for High-Speed Corner Detection, 2006.
    "fast": lambda: cv2.FastFeatureDetector.create(_FAST_THRESHOLD),
    # J. Shi and C. Tomasi, Good Features to Track, 1994.
    "shi_tomasi": lambda: cv2.GFTTDetector.create(_MANY, _WEAK, 3.0, 5),
    # C. Harris and M. Stephens, A Combined Corner and Edge Detector, 1988.
    "harris": lambda: cv2.GFTTDetector.create(_MANY, _WEAK, 3.0, 5, useHarrisDetector=True),
    # E. Rublee et al., ORB: an Efficient Alternative to SIFT or SURF, 2011.
    "orb": lambda: cv2.ORB.create(_MANY, fastThreshold=_FAST_THRESHOLD),
    # D. Lowe, Distinctive Image Features from Scale-Invariant Keypoints, 2004.
    "sift": lambda: cv2.SIFT.create(),
    # P. Alcantarilla et al., Fast Explicit Diffusion for Accelerated Features, 2013.
    "akaze": lambda: cv2.AKAZE.create(),
}
_PLAIN = ("fast", "shi_tomasi", "harris")  # that know neither size nor angle
#: What: and which detectors' features each can describe. Scales are of each kind's own pyramid.
DESCRIPTORS = {
    "orb": (*_PLAIN, "orb"),
    "sift": (*_PLAIN, "sift"),
    "akaze": ("akaze",),
    "hog": tuple(DETECTORS),
}
_USUAL = {"orb": "orb", "sift": "sift", "akaze": "akaze"}


class Extractor:
    """Finds and describes features of one kind.

    Args:
        name: a detector, or ``DETECTOR+DESCRIPTOR``; ORB describes what has no descriptor itself.

    Raises:
        FeatureError: there is no such kind.

    """

    def __init__(self, name: str) -> None:
        detector, _, descriptor = name.partition("+")
        if detector not in DETECTORS:
            raise FeatureError(
                f"no detector is called {detector!r}; there are: {', '.join(DETECTORS)}"
            )
        descriptor = descriptor or _USUAL.get(detector, "orb")
        if detector not in DESCRIPTORS.get(descriptor, ()):
            able = [each for each, detectors in DESCRIPTORS.items() if detector in detectors]
            raise FeatureError(
                f"{descriptor!r} does not describe what {detector!r} detects; these do: "
                f"{', '.join(able)}"
            )
        self.name = f"{detector}+{descriptor}"
        self._detector = DETECTORS[detector]()
        self._descriptor = None if descriptor == "hog" else DETECTORS[descriptor]()
        self._is_plain = detector in _PLAIN

    def extract(self, gray: np.ndarray, count: int = 1000) -> Features:
        """Find features and describe them.

        Args:
            gray: (H, W) uint8.
            count: the strongest, spread over the image.

        """
        found = self._detector.detect(gray, None)
        height, width = gray.shape
        pixels = np.asarray(cv2.KeyPoint.convert(found)).reshape(-1, 2)
        responses = np.array([point.response for point in found], np.float32)
        chosen = select_balanced(pixels, responses, count, (width, height))
        points = [found[place] for place in chosen]
        if self._is_plain:
            for point, angle in zip(points, orientations(gray, pixels[chosen]), strict=True):
                point.size, point.angle = _PATCH_PX, angle
        if self._descriptor is None:
            points, descriptors = describe_patches(gray, points)
        else:
            described, descriptors = self._descriptor.compute(gray, points)
            points = list(described)
        if descriptors is None:
            points, descriptors = [], np.zeros((0, 1), np.float32)
        return Features(
            np.asarray(cv2.KeyPoint.convert(points), np.float32).reshape(-1, 2),
            np.array([point.size for point in points], np.float32),
            np.array([max(point.angle, 0.0) for point in points], np.float32),
            np.array([point.response for point in points], np.float32),
            descriptors,
            (width, height),
        )


def orientations(gray: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Angles (N,) in degrees, 0 to 360, from pixels (N, 2) to the brightness around them.

    Source: P. Rosin, Measuring Corner Properties, CVIU 1999: the intensity centroid.
    """
    reach = int(_PATCH_PX) // 2
    offsets = np.arange(-reach, reach + 1)
    disc = (offsets[:, None] ** 2 + offsets**2 <= reach**2).astype(np.float32)
    padded = np.pad(gray, reach, mode="edge")
    x, y = np.rint(pixels).astype(int).reshape(-1, 2).T
    rows, columns = y[:, None, None] + offsets[:, None] + reach, x[:, None, None] + offsets + reach
    patches = padded[rows, columns] * disc
    to_right = np.einsum("nij,j->n", patches, offsets.astype(np.float32))
    to_bottom = np.einsum("nij,i->n", patches, offsets.astype(np.float32))
    return np.degrees(np.arctan2(to_bottom, to_right)) % 360
