"""Sizes of files without decoding them; an EXIF tag does not turn an image of a topic."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from embodied_perception.imaging import CompressedPixels
from embodied_perception.imaging.files import size_of

PICTURE = cv2.resize(np.random.default_rng(1).integers(0, 256, (3, 4, 3), np.uint8), (40, 24))


def encoded(suffix, *options):
    return cv2.imencode(suffix, PICTURE, list(options))[1].ravel()


FILES = {
    "jpeg": encoded(".jpg"),
    "progressive": encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "png": encoded(".png"),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_the_size_is_in_the_head(data):
    assert size_of(data) == (40, 24)
    assert CompressedPixels(data).resolution_wh == (40, 24)
    assert size_of(data[: len(data) - 10]) == (40, 24)


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@given(cut=st.integers(0, 400))
def test_a_cut_head_is_no_crash(outcome, data, cut):
    assert outcome(size_of, data[:cut]) in {(40, 24), "TRUNCATED", "UNDECODABLE"}


@given(st.binary(max_size=80))
def test_garbage_behind_a_jpegs_start(outcome, data):
    found = outcome(size_of, np.frombuffer(b"\xff\xd8" + data, np.uint8))
    assert isinstance(found, tuple) or found in {"TRUNCATED", "UNDECODABLE"}


def test_a_jpegs_thumbnail_is_not_its_size():
    """A thumbnail lies inside of a segment, with markers of its own."""
    thumbnail = io.BytesIO()
    Image.fromarray(PICTURE).resize((8, 8)).save(thumbnail, "jpeg")
    segment = b"Exif\0\0" + thumbnail.getvalue()
    app1 = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    jpeg = FILES["jpeg"].tobytes()
    with_thumbnail = np.frombuffer(jpeg[:2] + app1 + jpeg[2:], np.uint8)
    assert size_of(with_thumbnail) == (40, 24)
    assert CompressedPixels(with_thumbnail).colors_8_bit("RGB").shape == (24, 40, 3)


@pytest.mark.parametrize("target", ["RGB", "BGR", "GRAY"])
def test_an_orientation_tag_does_not_turn_the_image(target):
    """Its camera_info is of the image as it lies in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to look at it
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "jpeg", exif=exif)
    pixels = CompressedPixels(np.frombuffer(file.getvalue(), np.uint8))
    assert pixels.colors_8_bit(target).shape[:2] == (24, 40)
    assert pixels.resolution_wh == (40, 24)


def test_sixteen_bit_gray_is_depth():
    data = cv2.imencode(".png", np.full((3, 4), 1500, np.uint16))[1].ravel()
    assert CompressedPixels(data).is_depth
    np.testing.assert_allclose(CompressedPixels(data).depth_m(), 1.5)
    assert not any(CompressedPixels(data).is_depth for data in FILES.values())
