"""RVL against a plain reading of the paper, and codes that lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embodied_perception.errors import FrameError
from embodied_perception.imaging import rvl


def plain_encode(image):
    """Number by number, as the paper's listing does it."""
    groups = []

    def put(value):
        while True:
            group, value = value & 7, value >> 3
            groups.append(group | 8 if value else group)
            if not value:
                return

    values, at, before = image.ravel().tolist(), 0, 0
    while at < len(values):
        start = at
        while at < len(values) and values[at] == 0:
            at += 1
        put(at - start)
        end = at
        while end < len(values) and values[end]:
            end += 1
        put(end - at)
        for value in values[at:end]:
            step, before = value - before, value
            put(2 * step if step >= 0 else -2 * step - 1)
        at = end
    groups += [0] * (-len(groups) % 8)
    words = [
        int("".join(f"{g:x}" for g in groups[i : i + 8]), 16) for i in range(0, len(groups), 8)
    ]
    size = np.array([image.shape[1], image.shape[0]], "<u4")
    return np.concatenate([size, np.array(words, "<u4")]).view(np.uint8)


sparse = st.one_of(st.just(0), st.integers(0, 65535), st.integers(1000, 1010))
images = arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=sparse)


@given(images)
def test_it_is_the_papers_code(image):
    np.testing.assert_array_equal(rvl.encode(image), plain_encode(image))


@given(images)
def test_nothing_is_lost(image):
    code = rvl.encode(image)
    np.testing.assert_array_equal(rvl.decode(code), image)
    assert rvl.size_of(code) == image.shape[::-1]
    padded = np.concatenate([code, np.zeros(8, np.uint8)])
    np.testing.assert_array_equal(rvl.decode(padded), image)


def test_a_depth_image_gets_small():
    rows, columns = np.mgrid[:480, :640]
    depth_mm = (1500 + rows // 4 + columns // 7).astype(np.uint16)
    depth_mm[100:200, 300:500] = 0
    code = rvl.encode(depth_mm)
    np.testing.assert_array_equal(rvl.decode(code), depth_mm)
    assert len(code) < depth_mm.nbytes / 3


@given(images, st.data())
def test_a_cut_code_is_refused(image, data):
    code = rvl.encode(image)
    cut = data.draw(st.integers(0, len(code) - 1))
    with pytest.raises(FrameError) as error:
        rvl.decode(code[:cut])
    assert error.value.reason == "TRUNCATED"


@given(st.binary(max_size=60), st.integers(0, 20), st.integers(0, 20))
def test_garbage_never_gives_an_image_of_another_size(outcome, data, width, height):
    size = np.array([width, height], "<u4").view(np.uint8)
    found = outcome(rvl.decode, np.concatenate([size, np.frombuffer(data, np.uint8)]))
    if isinstance(found, str):
        assert found in {"TRUNCATED", "UNDECODABLE", "WRONG_SIZE"}
    else:
        assert found.shape == (height, width)


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (2**31, 2**31), (2**16, 2**16)])
def test_a_size_that_cannot_be_meant(size):
    with pytest.raises(FrameError, match="expected 1 to 67108864 pixels") as error:
        rvl.decode(np.array([*size, 0], "<u4").view(np.uint8))
    assert error.value.reason == "WRONG_SIZE"


def test_a_run_beyond_the_image():
    two_by_one = np.array([2, 1], "<u4").view(np.uint8)
    three_zeros = np.array([0x30000000], "<u4").view(np.uint8)
    with pytest.raises(FrameError, match="beyond the 2 pixels"):
        rvl.decode(np.concatenate([two_by_one, three_zeros]))


def test_a_number_without_end():
    code = np.array([2, 1, *[0xFFFFFFFF] * 3, 0], "<u4").view(np.uint8)
    with pytest.raises(FrameError, match="longer than any image"):
        rvl.decode(code)
