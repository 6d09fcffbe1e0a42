"""What a lens with distortion makes of a perfect picture."""

from __future__ import annotations

import cv2
import numpy as np

from embodied_perception.camera import Camera

RAYS_A_SIDE = 3  # of one pixel


class Lens:
    """Bends pictures of an ideal camera, :attr:`wide`, into those of a real one.

    Args:
        camera: the real one.
        supersampling: fine pixels along one of the ideal camera's.

    """

    def __init__(self, camera: Camera, supersampling: int) -> None:
        self._size_wh = camera.resolution_wh
        x, y = ((np.arange(side * RAYS_A_SIDE) + 0.5) / RAYS_A_SIDE - 0.5 for side in self._size_wh)
        rays = camera.unproject(np.stack(np.meshgrid(x, y), axis=-1))
        half = np.ceil(np.abs(rays[..., :2]).reshape(-1, 2).max(axis=0) * camera.fx).astype(int) + 2
        width, height = (2 * half).tolist()
        centre = ((width - 1) / 2, (height - 1) / 2)
        #: What to draw: as the real one, but without distortion, and wider.
        self.wide = Camera.pinhole(width, height, camera.fx, camera.fx, *centre)
        fine = (self.wide.project(rays) + 0.5) * supersampling - 0.5
        self._maps = cv2.convertMaps(*np.moveaxis(fine.astype(np.float32), -1, 0), cv2.CV_32FC1)

    def bend(self, fine: np.ndarray) -> np.ndarray:
        """From what :attr:`wide` shows, finely, to the real camera's picture: means of rays."""
        rays = cv2.remap(fine, *self._maps, cv2.INTER_LINEAR)
        return cv2.resize(rays, self._size_wh, interpolation=cv2.INTER_AREA)
