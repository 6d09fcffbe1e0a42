"""From what a sensor counted to a picture: demosaicing, white balance, tone curve, 8 bits.

White balance and tone curves work on light, so values are first put back to what is proportional
to it (``input_curve``). All of it after demosaicing is one look-up table a channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from embodied_perception.config import Config, parameter
from embodied_perception.imaging.bayer import BILINEAR, METHODS
from embodied_perception.imaging.pixels import Pixels

LINEAR, SRGB, GAMMA = "linear", "srgb", "gamma"
OFF, GREY_WORLD, GAINS = "off", "grey_world", "gains"

_SAMPLING = 8  # grey world looks at every 8th pixel of every 8th row
_CLIPPED = 0.98  # pixels brighter than this share of the range tell nothing of the light's colour
_GAIN_RANGE = (0.25, 4.0)  # beyond, the scene itself has a colour


@dataclass(frozen=True)
class DevelopConfig(Config):
    """How pictures are made of what the sensor counted."""

    demosaic: str = parameter(
        BILINEAR,
        "how the colours that a Bayer pixel lacks are found: bilinear is fast, malvar is nearer to "
        "the truth and takes some 10 ms at 1080p",
        choices=METHODS,
    )
    white_balance: str = parameter(
        OFF,
        "grey_world makes the average of each image grey; gains takes red_gain, green_gain and "
        "blue_gain",
        choices=(OFF, GREY_WORLD, GAINS),
    )
    red_gain: float = parameter(1.0, "factor of red light", minimum=0.0, maximum=16.0)
    green_gain: float = parameter(1.0, "factor of green light", minimum=0.0, maximum=16.0)
    blue_gain: float = parameter(1.0, "factor of blue light", minimum=0.0, maximum=16.0)
    input_curve: str = parameter(
        SRGB,
        "how pixel values grow with light: srgb in pictures, linear in most sensors' raw data, "
        "gamma where a camera applies 1/gamma",
        choices=(SRGB, LINEAR, GAMMA),
    )
    output_curve: str = parameter(
        SRGB, "how the result's values shall grow with light", choices=(SRGB, LINEAR, GAMMA)
    )
    gamma: float = parameter(2.2, "exponent of the curve gamma", minimum=0.1, maximum=10.0)

    @property
    def changes_colors(self) -> bool:
        """Whether anything but demosaicing is to be done."""
        return self.white_balance != OFF or self.input_curve != self.output_curve


def develop(pixels: Pixels, config: DevelopConfig) -> np.ndarray:
    """Return the picture (H, W, 3) uint8 RGB.

    Raises:
        FrameError: the pixels are no picture, or cannot be decoded.

    """
    if config.demosaic == BILINEAR and not config.changes_colors:
        return pixels.colors_8_bit("RGB")
    rgb = pixels.colors("RGB", config.demosaic)
    levels = 2 ** (8 * rgb.dtype.itemsize)
    gains = _gains(rgb, config)
    return _look_up(rgb, _table(levels, gains, config))


def srgb_from_light(light: np.ndarray) -> np.ndarray:
    """Encode linear light in 0..1 (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def light_from_srgb(encoded: np.ndarray) -> np.ndarray:
    """Decode to linear light in 0..1; the inverse of :func:`srgb_from_light`."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def grey_world_gains(light_rgb: np.ndarray) -> tuple[float, float, float]:
    """Return the factors that make the average of linear light (N, 3) in 0..1 grey.

    Buchsbaum, A spatial processor model for object colour perception, 1980. Green stays as it is;
    clipped pixels are left out. A picture without light keeps its colours.
    """
    told = light_rgb[light_rgb.max(axis=1) < _CLIPPED]
    mean = told.mean(axis=0) if len(told) else np.ones(3)
    if mean.min() <= 0:
        return 1.0, 1.0, 1.0
    red, green, blue = np.clip(mean[1] / mean, *_GAIN_RANGE).tolist()
    return red, green, blue


def _gains(rgb: np.ndarray, config: DevelopConfig) -> tuple[float, float, float]:
    if config.white_balance == GREY_WORLD:
        sample = rgb[::_SAMPLING, ::_SAMPLING].reshape(-1, 3)
        top = np.iinfo(rgb.dtype).max
        return grey_world_gains(_to_light(sample / top, config))
    if config.white_balance == GAINS:
        return config.red_gain, config.green_gain, config.blue_gain
    return 1.0, 1.0, 1.0


def _to_light(values: np.ndarray, config: DevelopConfig) -> np.ndarray:
    if config.input_curve == SRGB:
        return light_from_srgb(values)
    return values**config.gamma if config.input_curve == GAMMA else values


def _from_light(light: np.ndarray, config: DevelopConfig) -> np.ndarray:
    if config.output_curve == SRGB:
        return srgb_from_light(light)
    return light ** (1 / config.gamma) if config.output_curve == GAMMA else light


@lru_cache(maxsize=4)
def _table(levels: int, gains: tuple[float, float, float], config: DevelopConfig) -> np.ndarray:
    """Return the result (levels, 3) uint8 of each value of red, green and blue."""
    light = _to_light(np.linspace(0, 1, levels), config)
    balanced = np.clip(light[:, None] * gains, 0, 1)
    return np.rint(255 * _from_light(balanced, config)).astype(np.uint8)


def _look_up(rgb: np.ndarray, table: np.ndarray) -> np.ndarray:
    if rgb.dtype == np.uint8:
        return cv2.LUT(rgb, table[None])
    return cv2.merge([np.take(table[:, c], rgb[..., c]) for c in range(3)])
