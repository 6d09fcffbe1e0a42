"""Every encoding there and back, against OpenCV, and what does not fit."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import FrameError
from embodied_perception.imaging import DEPTHS, ENCODINGS, PICTURES, RawPixels
from embodied_perception.imaging.encodings import decode, encode, to_8_bit

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (48, 64, 3), np.uint8)
# Smooth in colour, so that shared chroma and interpolated colours come close to the original.
SMOOTH = cv2.resize(NOISE[:3, :4] // 3 + 80, (64, 48), interpolation=cv2.INTER_CUBIC)
GRAY = cv2.cvtColor(NOISE, cv2.COLOR_RGB2GRAY)

#: The largest error that the encoding itself brings, on SMOOTH.
LOSS = dict.fromkeys(PICTURES, 0)
LOSS |= dict.fromkeys(("yuv422", "uyvy", "yuyv", "yuv422_yuy2"), 6)
LOSS |= dict.fromkeys(("nv12", "nv21"), 10)
LOSS |= {name: 12 for name in PICTURES if name.startswith("bayer")}


def test_all_that_cameras_publish_is_there():
    colors = {f"{order}{bits}" for order in ("rgb", "bgr", "rgba", "bgra") for bits in (8, 16)}
    bayer = {f"bayer_{p}{bits}" for p in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)}
    yuv = {"yuv422", "uyvy", "yuyv", "yuv422_yuy2", "nv12", "nv21"}
    assert colors | bayer | yuv | {"mono8", "mono16", "8UC1", "8UC3", "8UC4"} == set(PICTURES)
    assert set(DEPTHS) == {"16UC1", "32FC1", "mono16"}


@pytest.mark.parametrize("source", ["RGB", "BGR"])
@pytest.mark.parametrize("name", PICTURES)
def test_colours_survive_as_far_as_the_encoding_holds_them(name, source):
    stored = encode(SMOOTH, source, name)
    assert stored.dtype == np.dtype(ENCODINGS[name].dtype)
    back = to_8_bit(decode(stored, name, source))
    if ENCODINGS[name].colors == "GRAY":
        gray = cv2.cvtColor(SMOOTH, getattr(cv2, f"COLOR_{source}2GRAY"))
        expected = np.repeat(gray[..., None], 3, axis=2)
    else:
        expected = SMOOTH
    # The outermost pixels of a Bayer pattern lack neighbours.
    error = np.abs(back.astype(int) - expected)[2:-2, 2:-2]
    assert error.max() <= LOSS[name]
    assert back.shape == SMOOTH.shape


@pytest.mark.parametrize("name", PICTURES)
def test_gray_is_the_luma(name):
    gray = to_8_bit(decode(encode(SMOOTH, "RGB", name), name, "GRAY")).astype(float)
    luma = SMOOTH @ np.array([0.299, 0.587, 0.114])
    if ENCODINGS[name].colors.startswith("YUV"):
        luma = 16 + luma * 219 / 255  # video's range (ITU-R BT.601)
    assert gray.shape == SMOOTH.shape[:2]
    assert np.abs(gray - luma)[2:-2, 2:-2].max() <= (8 if name.startswith("bayer") else 1.5)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.sampled_from(PICTURES))
def test_an_even_colour_stays_what_it_is(red, green, blue, name):
    even = np.empty((4, 4, 3), np.uint8)
    even[:] = red, green, blue
    back = to_8_bit(decode(encode(even, "RGB", name), name, "RGB"))
    if ENCODINGS[name].colors == "GRAY":
        assert np.ptp(back) == 0
    else:
        assert np.abs(back.astype(int) - even).max() <= 3


OPENCV = {
    "rgb8": cv2.COLOR_RGB2BGR,
    "rgba8": cv2.COLOR_RGBA2BGR,
    "bgra8": cv2.COLOR_BGRA2BGR,
    "mono8": cv2.COLOR_GRAY2BGR,
    "bayer_rggb8": cv2.COLOR_BayerBG2BGR,
    "bayer_bggr8": cv2.COLOR_BayerRG2BGR,
    "bayer_gbrg8": cv2.COLOR_BayerGR2BGR,
    "bayer_grbg8": cv2.COLOR_BayerGB2BGR,
    "uyvy": cv2.COLOR_YUV2BGR_UYVY,
    "yuyv": cv2.COLOR_YUV2BGR_YUY2,
    "nv12": cv2.COLOR_YUV2BGR_NV12,
    "nv21": cv2.COLOR_YUV2BGR_NV21,
}


@pytest.mark.parametrize("name", OPENCV)
def test_decoding_agrees_with_opencv(name):
    encoding = ENCODINGS[name]
    shape = (encoding.stored_rows(48), 64, encoding.channels)
    array = RNG.integers(0, 256, shape, np.uint8)
    array = array[..., 0] if encoding.channels == 1 else array
    expected = cv2.cvtColor(array, OPENCV[name])
    np.testing.assert_array_equal(RawPixels(array, name).colors_8_bit("BGR"), expected)
    sixteen = f"{name[:-1]}16"
    if sixteen in PICTURES:
        wide = array.astype(np.uint16) * 257
        np.testing.assert_array_equal(RawPixels(wide, sixteen).colors_8_bit("BGR"), expected)


def test_the_two_chroma_orders_are_told_apart():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    nv12, nv21 = (encode(red, "RGB", name)[2].tolist() for name in ("nv12", "nv21"))
    assert nv12 == nv21[::-1]
    assert nv12[1] > 200 > 128 > nv12[0]  # Cr, which is red, is high


@pytest.mark.parametrize("name", ["bgr8", "8UC3"])
def test_what_is_there_already_is_not_copied(name):
    assert RawPixels(NOISE, name).colors_8_bit("BGR") is NOISE
    assert RawPixels(NOISE, name).colors("BGR") is NOISE
    assert RawPixels(GRAY, "mono8").colors_8_bit("GRAY") is GRAY
    nv12 = encode(NOISE, "BGR", "nv12")
    assert np.shares_memory(RawPixels(nv12, "nv12").colors_8_bit("GRAY"), nv12)


def test_sixteen_bits_are_kept_until_eight_are_asked_for():
    wide = RNG.integers(0, 65536, (6, 8, 3), np.uint16)
    pixels = RawPixels(wide, "bgr16")
    np.testing.assert_array_equal(pixels.colors("RGB"), wide[..., ::-1])
    np.testing.assert_array_equal(pixels.colors_8_bit("RGB"), np.rint(wide[..., ::-1] / 257))


@pytest.mark.parametrize("name", PICTURES)
def test_resolution_is_the_pictures(name):
    assert RawPixels(encode(SMOOTH, "RGB", name), name).resolution_wh == (64, 48)


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [("nv12", 5, 4), ("nv21", 4, 5), ("uyvy", 5, 4), ("bayer_rggb8", 4, 3), ("bayer_grbg16", 3, 4)],
)
def test_shared_colours_need_even_sizes(name, width, height):
    with pytest.raises(FrameError, match=f"{width}x{height} {name}.*even size") as error:
        encode(np.zeros((height, width, 3), np.uint8), "RGB", name)
    assert error.value.reason == "WRONG_SIZE"


def test_rows_of_packed_yuv_may_be_odd_in_number():
    assert encode(np.zeros((5, 4, 3), np.uint8), "RGB", "yuyv").shape == (5, 4, 2)


@pytest.mark.parametrize("name", ["16UC1", "32FC1", "nv24", ""])
def test_what_is_no_picture_is_refused(name):
    for convert in (lambda: encode(NOISE, "RGB", name), lambda: decode(GRAY, name, "RGB")):
        with pytest.raises(FrameError, match=f"got '{name}', expected one of mono8") as error:
            convert()
        assert error.value.reason == "WRONG_ENCODING"
