"""White balance and tone curves against their formulas."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import ConfigError
from embodied_perception.imaging import DevelopConfig, RawPixels, develop
from embodied_perception.imaging.bayer import mosaic
from embodied_perception.imaging.develop import (
    grey_world_gains,
    light_from_srgb,
    srgb_from_light,
)

RNG = np.random.default_rng(4)
RGB = RNG.integers(0, 256, (64, 80, 3), np.uint8)


def test_by_default_nothing_happens():
    np.testing.assert_array_equal(develop(RawPixels(RGB, "rgb8"), DevelopConfig()), RGB)


@given(st.floats(0, 1))
def test_srgb_is_undone_by_its_inverse(value):
    assert light_from_srgb(srgb_from_light(np.array(value))) == pytest.approx(value, abs=1e-6)


def test_srgb_at_known_points():
    # IEC 61966-2-1: mid grey of 18 % reflectance, and the end of the linear part.
    assert srgb_from_light(np.array(0.18)) == pytest.approx(0.4613, abs=1e-4)
    assert srgb_from_light(np.array(0.0031308)) == pytest.approx(0.04045, abs=1e-5)
    assert srgb_from_light(np.array([0.0, 1.0])).tolist() == pytest.approx([0, 1])


@pytest.mark.parametrize("bits", [8, 16])
def test_linear_values_become_srgb(bits):
    array = RGB if bits == 8 else RGB.astype(np.uint16) * 257
    got = develop(RawPixels(array, f"rgb{bits}"), DevelopConfig(input_curve="linear"))
    np.testing.assert_array_equal(got, np.rint(255 * srgb_from_light(RGB / 255)))
    assert got.dtype == np.uint8


def test_sixteen_bits_give_dark_tones_that_eight_do_not_have():
    dark = np.arange(0, 257, dtype=np.uint16).reshape(1, -1)
    got = develop(RawPixels(dark, "mono16"), DevelopConfig(input_curve="linear"))
    assert len(np.unique(got)) == 14  # sRGB gives 13 steps to the first of 255 linear ones


def test_gamma():
    config = DevelopConfig(input_curve="linear", output_curve="gamma", gamma=2.0)
    got = develop(RawPixels(RGB, "rgb8"), config)
    np.testing.assert_array_equal(got, np.rint(255 * np.sqrt(RGB / 255)))
    back = dataclasses.replace(config, input_curve="gamma", output_curve="linear")
    again = develop(RawPixels(got, "rgb8"), back)
    assert np.abs(again.astype(int) - RGB).max() <= 1


def test_gains_act_on_light():
    config = DevelopConfig(white_balance="gains", red_gain=2.0, blue_gain=0.5)
    got = develop(RawPixels(RGB, "rgb8"), config)
    light = np.clip(light_from_srgb(RGB / 255) * (2, 1, 0.5), 0, 1)
    np.testing.assert_array_equal(got, np.rint(255 * srgb_from_light(light)))


@pytest.mark.parametrize("encoding", ["rgb8", "rgb16", "bayer_rggb8", "bayer_gbrg16"])
@pytest.mark.parametrize("curve", ["linear", "srgb"])
def test_grey_world_undoes_the_colour_of_the_light(encoding, curve):
    """A scene that is grey on the whole, under a warm lamp."""
    grey = RNG.uniform(0.15, 0.25, (240, 320, 1)) * np.ones(3)
    light = grey * (1.6, 1.0, 0.5)
    values = srgb_from_light(light) if curve == "srgb" else light
    top = 65535 if encoding.endswith("16") else 255
    array = np.rint(values * top).astype(np.uint16 if top > 255 else np.uint8)
    if encoding.startswith("bayer"):
        array = mosaic(array, "RGB", encoding[6:10].upper())
    config = DevelopConfig(white_balance="grey_world", input_curve=curve)
    mean = light_from_srgb(develop(RawPixels(array, encoding), config) / 255).mean(axis=(0, 1))
    np.testing.assert_allclose(mean / mean[1], 1, atol=0.02)


def test_clipped_pixels_do_not_speak_of_the_light():
    light = np.full((100, 3), (0.4, 0.2, 0.1))
    light[:30] = 1.0  # a window
    assert grey_world_gains(light) == pytest.approx((0.5, 1.0, 2.0))


@pytest.mark.parametrize("light", [np.zeros((10, 3)), np.ones((10, 3)), np.zeros((0, 3))])
def test_without_light_colours_stay(light):
    assert grey_world_gains(light) == (1, 1, 1)


def test_gains_have_limits():
    assert grey_world_gains(np.full((5, 3), (0.5, 0.1, 0.001))) == (0.25, 1, 4)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"demosaic": "vng"}, "expected one of bilinear, malvar"),
        ({"white_balance": "auto"}, "off, grey_world, gains"),
        ({"red_gain": -1.0}, "0 to 16"),
        ({"gamma": 0.0}, "0.1 to 10"),
        ({"output_curve": "log"}, "srgb, linear, gamma"),
    ],
)
def test_settings_that_make_no_sense(values, words):
    with pytest.raises(ConfigError, match=words):
        DevelopConfig(**values)
