"""An image on its way through the house: decoded once, seen in many ways."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.errors import FrameError
from embodied_perception.imaging import DevelopConfig, Pixels, RawPixels, develop
from embodied_perception.imaging.encodings import LABELS, unknown_encoding


class Frame:
    """One image, when and where it was taken, and its views, each computed once.

    Views raise :class:`FrameError` with a reason when the image cannot be read that way. They are
    shared by everyone who holds the frame, so they must not be written to.

    Attributes:
        pixels: what came; the views are made of it.
        stamp_ns: when it was taken.
        frame_id: the camera's optical frame.

    """

    def __init__(
        self, pixels: Pixels, stamp_ns: int, frame_id: str, camera: Camera | None = None
    ) -> None:
        self.pixels = pixels
        self.stamp_ns = stamp_ns
        self.frame_id = frame_id
        self._camera = camera
        #: Numbers of classes by their names, where this is a mask and somebody named them.
        self.class_numbers: Mapping[str, int] = {}

    @property
    def camera(self) -> Camera:
        """The camera that took the image."""
        if self._camera is None:
            raise FrameError("NO_CAMERA_INFO", f"no camera is known for frame {self.frame_id!r}")
        return self._camera

    @camera.setter
    def camera(self, camera: Camera) -> None:
        self._camera = camera

    @property
    def has_camera(self) -> bool:
        """Whether the camera is known."""
        return self._camera is not None

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self._fitting(self.pixels.colors_8_bit("RGB"))

    @cached_property
    def bgr(self) -> np.ndarray:
        """(H, W, 3) uint8, in OpenCV's order."""
        return self._fitting(self.pixels.colors_8_bit("BGR"))

    @cached_property
    def gray(self) -> np.ndarray:
        """(H, W) uint8."""
        return self._fitting(self.pixels.colors_8_bit("GRAY"))

    @cached_property
    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres along the optical axis, NaN where unknown."""
        depth_m = self._fitting(self.pixels.depth_m())
        if not np.isfinite(depth_m).any():
            raise FrameError("EMPTY_DEPTH", "no pixel of the depth image holds a reading")
        return depth_m

    @cached_property
    def labels(self) -> np.ndarray:
        """(H, W) uint8 or uint16: the class of each pixel, as a number."""
        pixels = self.pixels
        if not isinstance(pixels, RawPixels) or pixels.encoding not in LABELS:
            got = pixels.encoding if isinstance(pixels, RawPixels) else "packed image"
            raise unknown_encoding(got, LABELS)
        return self._fitting(pixels.array)

    def develop(self, config: DevelopConfig) -> np.ndarray:
        """(H, W, 3) uint8 RGB, as the settings say; computed at every call."""
        return self._fitting(develop(self.pixels, config))

    def require_fit(self) -> None:
        """Raise :class:`FrameError` unless the image has the size that its camera says."""
        self._require_size(*self.pixels.resolution_wh)

    def _fitting(self, array: np.ndarray) -> np.ndarray:
        height, width = array.shape[:2]
        self._require_size(width, height)
        return array

    def _require_size(self, width: int, height: int) -> None:
        if self._camera is not None and (width, height) != self._camera.resolution_wh:
            raise FrameError(
                "SIZE_MISMATCH",
                f"image is {width}x{height}, its camera_info says "
                f"{self._camera.width}x{self._camera.height}: calibrate at the size that is sent",
            )
