"""Packets to pictures: none is wrong, whatever is missing."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_perception.errors import FrameError
from embodied_perception.imaging.video import VideoDecoder, codec_of

PERIOD_NS = 33_000_000
START_NS = 10**18
ENCODERS = [("libx264", 0), ("libx264", 2), ("libx265", 0), ("libx265", 2)]
every_encoder = pytest.mark.parametrize(("encoder", "b_frames"), ENCODERS)


def stamp_of(number):
    return START_NS + number * PERIOD_NS


def decode(video, dropped=(), finish=True):
    """Decode all packets but some; returns pictures by number, and counts of reasons."""
    decoder = VideoDecoder(video.codec)
    results = []
    for place, (data, number, _) in enumerate(video.packets):
        if place not in dropped:
            results += decoder.decode(data, stamp_of(number))
    if finish:
        results += decoder.finish()
    shown = [each for each in results if not isinstance(each, FrameError)]
    stamps = [stamp_ns for stamp_ns, _ in shown]
    assert stamps == sorted(stamps)
    pictures = {(stamp_ns - START_NS) // PERIOD_NS: pixels for stamp_ns, pixels in shown}
    assert len(pictures) == len(shown)
    return pictures, Counter(each.reason for each in results if isinstance(each, FrameError))


def worst(video, pictures):
    return max(
        video.error(pixels.colors_8_bit("BGR"), number) for number, pixels in pictures.items()
    )


@every_encoder
def test_every_picture_comes_with_its_own_stamp(make_video, encoder, b_frames):
    video = make_video(encoder, b_frames)
    pictures, reasons = decode(video)
    assert sorted(pictures) == list(range(40))
    assert worst(video, pictures) < 8
    assert not reasons


def test_without_reordering_nothing_is_held_back(make_video):
    video = make_video("libx264")
    decoder = VideoDecoder("h264")
    for data, number, _ in video.packets:
        ((stamp_ns, _),) = decoder.decode(data, stamp_of(number))
        assert stamp_ns == stamp_of(number)
    assert decoder.finish() == []


@every_encoder
def test_it_starts_at_a_keyframe(make_video, encoder, b_frames):
    video = make_video(encoder, b_frames)
    second_key = [place for place, (*_, is_key) in enumerate(video.packets) if is_key][1]
    pictures, reasons = decode(video, dropped=range(4))
    assert reasons["NO_KEYFRAME"] == second_key - 4
    # Pictures shown before the keyframe, but sent after it, may build upon what never came.
    assert len(pictures) + reasons["PACKET_LOST"] == 40 - second_key
    assert reasons["PACKET_LOST"] <= b_frames
    assert worst(video, pictures) < 8


@every_encoder
@settings(max_examples=40)
@given(dropped=st.sets(st.integers(0, 39), min_size=1, max_size=6))
def test_no_picture_is_wrong_whatever_is_lost(make_video, encoder, b_frames, dropped):
    """FFmpeg by itself shows pictures that build upon one that never came."""
    video = make_video(encoder, b_frames)
    pictures, reasons = decode(video, dropped)
    if pictures:
        assert worst(video, pictures) < 8
    # Each packet that came gave a picture, or a reason why not.
    assert len(pictures) + sum(reasons.values()) == 40 - len(dropped)
    assert set(reasons) <= {"NO_KEYFRAME", "PACKET_LOST", "UNDECODABLE"}


def test_a_lost_packet_is_told_at_once_and_mended_by_the_next_keyframe(make_video):
    video = make_video("libx264")
    decoder = VideoDecoder("h264")
    said = []
    for place, (data, number, _) in enumerate(video.packets):
        if place != 5:
            said.append((number, decoder.decode(data, stamp_of(number))))
    by_number = {number: results[0] for number, results in said}
    assert by_number[6].reason == "PACKET_LOST"
    assert "next keyframe" in str(by_number[6])
    assert all(by_number[number].reason == "NO_KEYFRAME" for number in range(7, 15))
    assert by_number[15][0] == stamp_of(15)


def test_losing_what_nothing_builds_upon_costs_one_picture(make_video):
    """B-pictures that are no reference: nal_ref_idc is 0 (H.264, 7.4.1)."""
    video = make_video("libx264", 2)
    spare = [
        place
        for place, (data, *_) in enumerate(video.packets[:15])
        if data[data.rfind(b"\0\0\1") + 3] & 0x60 == 0
    ]
    pictures, reasons = decode(video, dropped=spare[1:2])
    assert len(pictures) == 39
    assert not reasons


@every_encoder
def test_a_stream_that_begins_anew(make_video, encoder, b_frames):
    """A bag that loops: stamps go back, and the pictures are the first ones again."""
    video = make_video(encoder, b_frames)
    decoder = VideoDecoder(encoder)
    for data, number, _ in video.packets[:20]:
        decoder.decode(data, stamp_of(number) + 10**10)
    results = []
    for data, number, _ in video.packets[:10]:
        results += decoder.decode(data, stamp_of(number))
    shown = [each for each in results if not isinstance(each, FrameError)]
    assert shown[0][0] == stamp_of(0)
    assert video.error(shown[0][1].colors_8_bit("BGR"), 0) < 8


def test_parameter_sets_may_come_in_a_packet_of_their_own(make_video):
    video = make_video("libx264")
    data = video.packets[0][0]
    cut = data.rfind(b"\0\0\1")  # the slice is the last unit
    decoder = VideoDecoder("h264")
    assert decoder.decode(data[:cut], stamp_of(0)) == []
    ((stamp_ns, pixels),) = decoder.decode(data[cut:], stamp_of(0))
    assert stamp_ns == stamp_of(0)
    assert video.error(pixels.colors_8_bit("BGR"), 0) < 8


@pytest.mark.parametrize("target", ["RGB", "BGR", "GRAY"])
def test_views(make_video, target):
    video = make_video("libx264")
    pixels = decode(video)[0][3]
    view = pixels.colors_8_bit(target)
    assert pixels.resolution_wh == (160, 96)
    truth = video.pictures[3].astype(float)
    if target == "GRAY":  # video's range (ITU-R BT.601)
        expected = 16 + truth @ np.array([0.114, 0.587, 0.299]) * 219 / 255
    else:
        expected = truth if target == "BGR" else truth[..., ::-1]
    assert view.dtype == np.uint8
    assert np.abs(view - expected).mean() < 8
    with pytest.raises(FrameError, match="got 'video', expected one of 16UC1"):
        pixels.depth_m()


@every_encoder
@settings(max_examples=30)
@given(data=st.data())
def test_damaged_packets_are_no_crash(make_video, encoder, b_frames, data):
    video = make_video(encoder, b_frames)
    decoder = VideoDecoder(encoder)
    for packet, number, _ in video.packets[:8]:
        damaged = bytearray(packet)
        for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=3)):
            damaged[at] ^= data.draw(st.integers(1, 255))
        cut = data.draw(st.integers(0, len(damaged)))
        for each in decoder.decode(bytes(damaged[:cut]), stamp_of(number)):
            if isinstance(each, FrameError):
                assert each.reason in {"NO_KEYFRAME", "PACKET_LOST", "UNDECODABLE"}


@settings(max_examples=200)
@given(codec=st.sampled_from(["h264", "h265"]), packets=st.lists(st.binary(max_size=60)))
def test_garbage_is_no_crash(codec, packets):
    decoder = VideoDecoder(codec)
    results = []
    for number, packet in enumerate(packets):
        results += decoder.decode(packet, stamp_of(number))
        results += decoder.decode(b"\0\0\1\x67" + packet, stamp_of(number))
    results += decoder.finish()
    for each in results:
        assert isinstance(each, FrameError)
        assert each.reason in {"NO_KEYFRAME", "PACKET_LOST", "UNDECODABLE"}


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("h264", "h264"),
        ("libx264", "h264"),
        ("h264_nvenc", "h264"),
        ("hevc_nvenc", "hevc"),
        ("libx265;yuv420p;bgr8;bgr8", "hevc"),
        ("H265", "hevc"),
    ],
)
def test_codecs_by_the_names_that_messages_give_them(name, codec):
    assert codec_of(name) == codec


@pytest.mark.parametrize("name", ["", "vp9", "av1", "mjpeg", "x;h264"])
def test_other_codecs_are_refused(name):
    with pytest.raises(FrameError, match=f"got video codec {name!r}, expected h264 or h265"):
        VideoDecoder(name)
