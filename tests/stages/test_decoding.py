"""Messages of video to frames, as each transport carries them."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo

from embodied_perception.errors import ConfigError, FrameError
from embodied_perception.frame import Frame
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.messages import header
from embodied_perception.stages.transports import TRANSPORTS, transport_named, transports_of

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 33_000_000


def foxglove(video, data, number, is_key):  # noqa: ARG001
    stamp = START_NS + number * PERIOD_NS
    time = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
    codec = "h264" if "264" in video.codec else "h265"
    return CompressedVideo(timestamp=time, frame_id="optical", data=data, format=codec)


def ffmpeg(video, data, number, is_key):
    return FFMPEGPacket(
        header=header(START_NS + number * PERIOD_NS, "optical"),
        width=160, height=96, encoding=f"{video.codec};yuv420p;bgr8;bgr8", pts=number,
        flags=int(is_key), data=data,
    )  # fmt: skip


@pytest.mark.parametrize("make", [foxglove, ffmpeg])
@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_video_becomes_frames(make_video, make, encoder, b_frames):
    video = make_video(encoder, b_frames, 20)
    decoder = Decoder()
    frames = [each for packet in video.packets for each in decoder.decode(make(video, *packet))]
    frames += decoder.finish()
    assert [frame.stamp_ns for frame in frames] == [START_NS + n * PERIOD_NS for n in range(20)]
    assert {frame.frame_id for frame in frames} == {"optical"}
    for number, frame in enumerate(frames):
        assert video.error(frame.bgr, number) < 8
        np.testing.assert_array_equal(frame.rgb, frame.bgr[..., ::-1])


def test_joined_in_its_middle_it_waits_and_says_so(make_video):
    video = make_video()
    decoder = Decoder()
    results = [each for p in video.packets[5:] for each in decoder.decode(foxglove(video, *p))]
    waited = [each for each in results if isinstance(each, FrameError)]
    assert [each.reason for each in waited] == ["NO_KEYFRAME"] * 10
    assert "gop_size" in str(waited[0])
    assert [isinstance(each, Frame) for each in results[10:]] == [True] * 25


def test_another_codec_on_the_same_topic(make_video):
    decoder = Decoder()
    for encoder in ("libx264", "libx265", "libx264"):
        video = make_video(encoder, 0, 20)
        (frame,) = decoder.decode(ffmpeg(video, *video.packets[0]))
        assert video.error(frame.bgr, 0) < 8


def test_a_codec_that_is_not_known(make_video):
    video = make_video()
    message = foxglove(video, *video.packets[0])
    message.format = "vp9"
    (error,) = Decoder().decode(message)
    assert error.reason == "WRONG_ENCODING"
    assert "expected h264 or h265" in str(error)


def test_transports_by_content():
    assert [t.suffix for t in transports_of("color")] == ["", "/compressed", "/ffmpeg", "/foxglove"]
    assert [t.suffix for t in transports_of("depth")] == ["", "/compressedDepth"]
    assert len(transports_of("any")) == len(TRANSPORTS) == 5


@pytest.mark.parametrize(
    ("name", "content", "suffix"),
    [
        ("raw", "depth", ""),
        ("compressed", "color", "/compressed"),
        ("compressed", "depth", "/compressedDepth"),
        ("ffmpeg", "depth", "/compressedDepth"),
        ("foxglove", "color", "/foxglove"),
        ("compressedDepth", "color", "/compressed"),
        ("compressedDepth", "any", "/compressedDepth"),
        ("compressed", "labels", ""),
    ],
)
def test_the_transport_of_a_name(name, content, suffix):
    assert transport_named(name, content).suffix == suffix


@pytest.mark.parametrize("name", ["", "theora", "RAW"])
def test_a_transport_that_is_not_known(name):
    with pytest.raises(ConfigError, match="expected one of raw, compressed, compressedDepth"):
        transport_named(name, "color")
