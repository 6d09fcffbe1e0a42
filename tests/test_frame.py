"""Frames: every encoding to every view, and what is no image."""

import struct
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embodied_perception.camera import Camera
from embodied_perception.errors import FrameError
from embodied_perception.frame import Frame
from embodied_perception.imaging import CompressedDepth, CompressedPixels, RawPixels

HEIGHT, WIDTH = 48, 64
RNG = np.random.default_rng(7)
NOISE_RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
# Smooth, so that JPEG keeps it; never grey, which is what OpenCV pads a cut file with.
SMOOTH_RGB = np.stack([2 * COLUMNS, 3 * ROWS, 200 - COLUMNS - ROWS], axis=2).astype(np.uint8)
GRAY = cv2.cvtColor(NOISE_RGB, cv2.COLOR_RGB2GRAY)
DEPTH_MM = RNG.integers(0, 65536, (HEIGHT, WIDTH), np.uint16)
ALPHA = RNG.integers(0, 256, (HEIGHT, WIDTH, 1), np.uint8)
COLORS = {
    "rgb8": NOISE_RGB,
    "bgr8": np.ascontiguousarray(NOISE_RGB[..., ::-1]),
    "rgba8": np.concatenate([NOISE_RGB, ALPHA], axis=2),
    "bgra8": np.concatenate([NOISE_RGB[..., ::-1], ALPHA], axis=2),
}


def encoded(suffix, image, options=()):
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr, list(options))[1].ravel()


JPEG = encoded(".jpg", SMOOTH_RGB)
PNG = encoded(".png", NOISE_RGB)
DEPTH_PNG = encoded(".png", DEPTH_MM)


def raw(array, encoding, camera=None):
    return Frame(RawPixels(array, encoding), 1, "camera", camera)


def compressed(data, camera=None):
    return Frame(CompressedPixels(np.frombuffer(bytes(data), np.uint8)), 1, "camera", camera)


def reason(frame, view):
    with pytest.raises(FrameError) as error:
        getattr(frame, view)
    return error.value.reason


@pytest.mark.parametrize("encoding", COLORS)
def test_colour_encodings_give_the_same_views(encoding):
    frame = raw(COLORS[encoding], encoding)
    np.testing.assert_array_equal(frame.rgb, NOISE_RGB)
    luma = NOISE_RGB @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert np.abs(frame.gray - luma).max() <= 1.0
    np.testing.assert_array_equal(frame.gray, GRAY)
    np.testing.assert_array_equal(frame.bgr, NOISE_RGB[..., ::-1])
    assert frame.gray.dtype == frame.rgb.dtype == frame.bgr.dtype == np.uint8


def test_mono_is_gray_and_becomes_rgb():
    frame = raw(GRAY, "mono8")
    np.testing.assert_array_equal(frame.gray, GRAY)
    np.testing.assert_array_equal(frame.rgb, np.repeat(GRAY[..., None], 3, axis=2))


def test_views_are_computed_once():
    frame = raw(COLORS["bgr8"], "bgr8")
    assert frame.rgb is frame.rgb
    assert frame.gray is frame.gray
    assert frame.bgr is COLORS["bgr8"]  # nothing to compute: not even a copy
    depth = raw(DEPTH_MM, "16UC1")
    assert depth.depth_m is depth.depth_m


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_integer_depth_is_millimetres_and_zero_unknown(encoding):
    depth_mm = np.array([[0, 1, 1000], [65535, 0, 2500]], np.uint16)
    depth_m = raw(depth_mm, encoding).depth_m
    expected = [[np.nan, 0.001, 1.0], [65.535, np.nan, 2.5]]
    np.testing.assert_allclose(depth_m, expected, rtol=1e-6)
    assert depth_m.dtype == np.float32
    np.testing.assert_array_equal(depth_mm, [[0, 1, 1000], [65535, 0, 2500]])


def test_float_depth_is_metres_and_only_positive_numbers_are_readings():
    given_m = np.array([[1.5, 0.0, -1.0], [np.nan, np.inf, -np.inf]], np.float32)
    depth_m = raw(given_m, "32FC1").depth_m
    np.testing.assert_array_equal(depth_m, np.array([[1.5] + [np.nan] * 2, [np.nan] * 3]))
    assert depth_m.dtype == np.float32
    assert given_m[0, 2] == -1.0


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
@pytest.mark.parametrize("value", [0, np.nan, np.inf, -1.0])
def test_depth_without_a_reading(encoding, value):
    dtype = np.uint16 if encoding == "16UC1" else np.float32
    array = np.full((HEIGHT, WIDTH), value if dtype is np.float32 else 0, dtype)
    assert reason(raw(array, encoding), "depth_m") == "EMPTY_DEPTH"


def test_one_reading_is_enough():
    depth_mm = np.zeros((HEIGHT, WIDTH), np.uint16)
    depth_mm[3, 4] = 2000
    depth_m = raw(depth_mm, "16UC1").depth_m
    assert depth_m[3, 4] == 2.0
    assert np.isnan(depth_m).sum() == HEIGHT * WIDTH - 1


@pytest.mark.parametrize("encoding", [*COLORS, "mono8"])
def test_colour_is_no_depth(encoding):
    array = COLORS.get(encoding, GRAY)
    with pytest.raises(FrameError, match=f"got '{encoding}', expected one of 16UC1") as error:
        _ = raw(array, encoding).depth_m
    assert error.value.reason == "WRONG_ENCODING"


@pytest.mark.parametrize("view", ["rgb", "gray"])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_is_no_colour(encoding, view):
    array = DEPTH_MM.astype(np.float32) if encoding == "32FC1" else DEPTH_MM
    assert reason(raw(array, encoding), view) == "WRONG_ENCODING"


def test_compressed_colour():
    np.testing.assert_array_equal(compressed(PNG).rgb, NOISE_RGB)
    rgb = compressed(JPEG).rgb
    assert np.abs(rgb.astype(int) - SMOOTH_RGB).mean() < 2
    gray = compressed(JPEG).gray
    assert np.abs(gray - SMOOTH_RGB @ np.array([0.299, 0.587, 0.114])).mean() < 2
    assert gray.shape == (HEIGHT, WIDTH)


def test_compressed_mono():
    np.testing.assert_array_equal(compressed(encoded(".png", GRAY)).gray, GRAY)


def test_compressed_depth_is_exact():
    depth_m = compressed(DEPTH_PNG).depth_m
    np.testing.assert_array_equal(np.isnan(depth_m), DEPTH_MM == 0)
    back_mm = np.rint(np.nan_to_num(depth_m.astype(np.float64)) * 1000)
    np.testing.assert_array_equal(back_mm, DEPTH_MM)


def test_quantised_inverse_depth():
    scale, offset = 5000.0, -20.0
    true_m = np.linspace(0.5, 10, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    values = np.rint(scale / true_m + offset).astype(np.uint16)
    values[0, 0] = 0
    pixels = CompressedDepth(encoded(".png", values), is_rvl=False, inverse_depth=(scale, offset))
    depth_m = Frame(pixels, 1, "camera").depth_m
    assert np.isnan(depth_m[0, 0])
    # Half a step of 1 / depth.
    error = np.abs(1 / depth_m - 1 / true_m).ravel()[1:]
    assert error.max() <= 0.51 / scale


def test_inverse_depth_at_its_pole_is_unknown_and_silent():
    values = np.array([[20, 21, 19, 0]], np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = CompressedDepth(encoded(".png", values), False, inverse_depth=(2.0, 20.0))
        depth_m = Frame(pixels, 1, "camera").depth_m
    np.testing.assert_array_equal(depth_m, [[np.nan, 2.0, np.nan, np.nan]])


@pytest.mark.parametrize("data", [JPEG, PNG, encoded(".png", GRAY)])
def test_compressed_colour_is_no_depth(data):
    assert reason(compressed(data), "depth_m") == "WRONG_ENCODING"


@pytest.mark.parametrize("view", ["rgb", "gray"])
def test_compressed_depth_is_no_colour(view):
    assert reason(compressed(DEPTH_PNG), view) == "WRONG_ENCODING"


@pytest.mark.parametrize("view", ["rgb", "gray"])
@given(st.integers(0, len(JPEG) - 1))
@example(0)
@example(2)
@example(len(JPEG) - 1)
@example(len(JPEG) - 2)
def test_a_cut_jpeg_gives_no_picture(view, cut):
    assert reason(compressed(JPEG[:cut]), view) in {"TRUNCATED", "UNDECODABLE"}


@pytest.mark.parametrize("view", ["rgb", "gray"])
@given(st.integers(0, len(PNG) - 1))
@example(8)
@example(33)
@example(len(PNG) - 1)
def test_a_cut_png_gives_no_picture(view, cut):
    assert reason(compressed(PNG[:cut]), view) in {"TRUNCATED", "UNDECODABLE"}


@given(st.integers(0, len(DEPTH_PNG) - 1))
def test_a_cut_depth_png_gives_no_depth(cut):
    assert reason(compressed(DEPTH_PNG[:cut]), "depth_m") in {"TRUNCATED", "UNDECODABLE"}


def test_a_cut_jpeg_says_what_it_is():
    with pytest.raises(FrameError, match=f"JPEG of {len(JPEG) // 2} bytes ends before"):
        _ = compressed(JPEG[: len(JPEG) // 2]).rgb


@pytest.mark.parametrize("data", [JPEG, PNG])
def test_zeros_behind_the_end_are_harmless(data):
    padded = compressed(bytes(data) + bytes(4096))
    np.testing.assert_array_equal(padded.rgb, compressed(data).rgb)


def test_zeros_in_place_of_the_end_are_not():
    assert reason(compressed(bytes(JPEG[: len(JPEG) // 2]) + bytes(4096)), "gray") == "TRUNCATED"


@pytest.mark.parametrize("view", ["rgb", "gray", "depth_m"])
@given(st.binary(max_size=300))
@example(b"")
@example(b"\xff\xd8\xff\xd9")
@example(b"\x89PNG\r\n\x1a\nIEND")
def test_garbage_is_undecodable(view, data):
    found = reason(compressed(data), view)
    assert found in {"TRUNCATED", "UNDECODABLE", "WRONG_ENCODING", "WRONG_SIZE"}


def test_a_png_that_claims_an_absurd_size():
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    data = bytes(PNG[:8]) + struct.pack(">I", 13) + ihdr + bytes(PNG[29:])
    assert reason(compressed(data), "rgb") == "WRONG_SIZE"


@pytest.mark.parametrize(
    ("frame", "view"),
    [
        (raw(NOISE_RGB, "rgb8"), "rgb"),
        (raw(NOISE_RGB, "rgb8"), "gray"),
        (raw(DEPTH_MM, "16UC1"), "depth_m"),
        (compressed(JPEG), "gray"),
        (compressed(DEPTH_PNG), "depth_m"),
    ],
)
def test_size_must_be_the_cameras(frame, view):
    frame.camera = Camera.pinhole(HEIGHT, WIDTH, 50, 50, 30, 20)
    with pytest.raises(FrameError, match="image is 64x48, its camera_info says 48x64") as error:
        getattr(frame, view)
    assert error.value.reason == "SIZE_MISMATCH"
    frame.camera = Camera.pinhole(WIDTH, HEIGHT, 50, 50, 30, 20)
    assert getattr(frame, view).shape[:2] == (HEIGHT, WIDTH)


def test_a_frame_without_a_camera():
    frame = raw(GRAY, "mono8")
    assert frame.gray.shape == (HEIGHT, WIDTH)
    with pytest.raises(FrameError, match="'camera'") as error:
        _ = frame.camera
    assert error.value.reason == "NO_CAMERA_INFO"


@pytest.mark.parametrize("encoding", ["mono8", "8UC1", "mono16", "16UC1"])
def test_labels_are_the_numbers_that_were_sent(encoding):
    sent = DEPTH_MM if "16" in encoding else GRAY
    labels = Frame(RawPixels(sent, encoding), 1, "camera").labels
    assert labels.dtype == sent.dtype
    assert np.array_equal(labels, sent)


@pytest.mark.parametrize(
    "pixels",
    [RawPixels(NOISE_RGB, "rgb8"), RawPixels(GRAY.astype(np.float32), "32FC1"),
     CompressedPixels(cv2.imencode(".png", GRAY)[1].ravel())],
    ids=["rgb8", "32FC1", "png"],
)  # fmt: skip
def test_pictures_are_no_labels(pixels):
    with pytest.raises(FrameError, match=r"WRONG_ENCODING|expected one of mono8, 8UC1"):
        _ = Frame(pixels, 1, "camera").labels
