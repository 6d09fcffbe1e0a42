"""Photos, videos and cameras as images in the order of time."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from embodied_perception.errors import SourceError
from embodied_perception.imaging import CompressedPixels, RawPixels
from embodied_perception.imaging.sources import VideoDevice, VideoFile, open_source, video
from embodied_perception.imaging.sources.source import START_NS
from embodied_perception.imaging.video import VideoDecoder

RNG = np.random.default_rng(6)
PICTURE = cv2.resize(RNG.integers(0, 256, (3, 4, 3), np.uint8), (40, 24))


def save(folder, name, array=PICTURE, orientation=1, focal_35mm=None):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if focal_35mm is not None:
        exif.get_ifd(0x8769)[0xA405] = focal_35mm
    Image.fromarray(array).save(folder / name, exif=exif)


def images_of(path, **options):
    source = open_source(path, **options)
    images = list(source.images())
    source.close()
    return images, source.problems


# Photos.


def test_photos_in_the_order_of_their_names_a_second_apart(tmp_path):
    for name in ("b.png", "a.jpg", "c.JPG"):
        save(tmp_path, name)
    (tmp_path / "notes.txt").write_text("no photo")
    images, problems = images_of(tmp_path)
    assert [image.name for image in images] == ["a.jpg", "b.png", "c.JPG"]
    assert [image.stamp_ns - START_NS for image in images] == [0, 10**9, 2 * 10**9]
    assert problems == []
    faster, _ = images_of(tmp_path, rate_hz=4.0)
    assert faster[1].stamp_ns - START_NS == 250_000_000


def test_an_upright_file_is_kept_and_a_turned_one_is_turned(tmp_path):
    save(tmp_path, "a.png")
    save(tmp_path, "b.png", orientation=6)  # to be turned clockwise
    (upright, turned), _ = images_of(tmp_path)
    assert isinstance(upright.pixels, CompressedPixels)
    assert upright.pixels.data.tobytes() == (tmp_path / "a.png").read_bytes()
    assert isinstance(turned.pixels, RawPixels)
    np.testing.assert_array_equal(turned.pixels.colors_8_bit("RGB"), np.rot90(PICTURE, -1))
    assert turned.pixels.resolution_wh == (24, 40)


def test_each_photo_has_its_own_guess(tmp_path):
    save(tmp_path, "a.jpg", focal_35mm=28)
    save(tmp_path, "b.jpg", orientation=8, focal_35mm=28)
    save(tmp_path, "c.jpg")
    (lying, upright, untold), _ = images_of(tmp_path)
    assert lying.guess.resolution_wh == (40, 24)
    assert upright.guess.resolution_wh == (24, 40)
    assert lying.guess.fx == upright.guess.fx > 0
    assert untold.guess is None


@pytest.mark.parametrize("suffix", [".bmp", ".tiff", ".webp"])
def test_other_formats_are_decoded(tmp_path, suffix):
    save(tmp_path, f"a{suffix}")
    (image,), _ = images_of(tmp_path)
    tolerance = 24 if suffix == ".webp" else 0
    assert np.abs(image.pixels.colors_8_bit("RGB").astype(int) - PICTURE).max() <= tolerance


@pytest.mark.parametrize(
    ("mode", "encoding"), [("L", "mono8"), ("RGBA", "rgb8"), ("P", "rgb8"), ("CMYK", "rgb8")]
)
def test_modes(tmp_path, mode, encoding):
    Image.fromarray(PICTURE).convert(mode).save(tmp_path / "a.tiff")
    (image,), _ = images_of(tmp_path)
    assert image.pixels.encoding == encoding


def test_what_cannot_be_read_is_a_problem_and_the_others_go_on(tmp_path):
    save(tmp_path, "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "c.jpg").write_bytes(b"no photo")
    save(tmp_path, "d.jpg")
    images, problems = images_of(tmp_path)
    assert [image.name for image in images] == ["a.jpg", "d.jpg"]
    assert len(problems) == 2
    assert "b.jpg" in problems[0]
    assert "c.jpg: cannot be read as a photo" in problems[1]


# Videos.


def write_video(path, encoder="libx264", turn_deg=0, count=20, b_frames=2):
    pictures = [np.roll(np.tile(PICTURE, (2, 2, 1)), 3 * n, axis=1) for n in range(count)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25)
        stream.width, stream.height = 80, 48
        stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        stream.time_base = Fraction(1, 25)
        if encoder != "mjpeg":
            stream.codec_context.max_b_frames = b_frames
            stream.codec_context.options = {"x265-params": "log-level=none"}
        if turn_deg:
            stream.set_display_rotation(turn_deg)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return pictures


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_video_in_the_order_of_showing(tmp_path, name):
    pictures = write_video(tmp_path / name, "mjpeg" if name == "a.avi" else "libx264")
    source = open_source(tmp_path / name)
    assert source.count in (20, None)
    images = list(source.images())
    stamps = [image.stamp_ns for image in images]
    assert stamps[0] == START_NS or stamps[0] - START_NS < 10**8
    np.testing.assert_allclose(np.diff(stamps), 40_000_000, atol=1_000_000)
    for image, picture in zip(images, pictures, strict=True):
        assert np.abs(image.pixels.colors_8_bit("RGB").astype(int) - picture).mean() < 12
        assert image.guess is None


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_a_turned_video_is_upright(tmp_path, turn_deg):
    pictures = write_video(tmp_path / "a.mp4", turn_deg=turn_deg, count=3)
    images, _ = images_of(tmp_path / "a.mp4")
    expected = np.rot90(pictures[1], turn_deg // 90)
    got = images[1].pixels.colors_8_bit("RGB")
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).mean() < 12


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_packets_stand_alone(tmp_path, encoder):
    """Parameter sets come with each keyframe, and units behind start codes."""
    pictures = write_video(tmp_path / "a.mp4", encoder)
    source = VideoFile(tmp_path / "a.mp4")
    decoder = None
    shown = []
    for packet in source.packets():
        decoder = decoder or VideoDecoder(packet.codec)
        shown += decoder.decode(packet.data, packet.stamp_ns)
    shown += decoder.finish()
    assert [stamp - START_NS for stamp, _ in shown] == [n * 40_000_000 for n in range(20)]
    for (_, pixels), picture in zip(shown, pictures, strict=True):
        assert np.abs(pixels.colors_8_bit("RGB").astype(int) - picture).mean() < 12


def test_other_codecs_have_no_packets_to_keep(tmp_path):
    write_video(tmp_path / "a.avi", "mjpeg")
    with pytest.raises(SourceError, match="holds mjpeg, expected h264 or hevc"):
        list(VideoFile(tmp_path / "a.avi").packets())


def test_a_video_that_ends_early(tmp_path):
    write_video(tmp_path / "a.mkv", "mjpeg", count=20)
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    images, _ = images_of(tmp_path / "cut.mkv")
    assert 0 < len(images) < 20


# A camera of the kernel: what FFmpeg gives of it, from a file with the same streams.


@pytest.mark.parametrize("encoder", ["mjpeg", "rawvideo"])
def test_a_cameras_own_bytes_are_kept(tmp_path, monkeypatch, encoder):
    path = tmp_path / "a.avi"
    if encoder == "mjpeg":
        pictures = write_video(path, "mjpeg")
    else:
        pictures = [np.ascontiguousarray(np.tile(PICTURE, (2, 2, 1)))] * 3
        with av.open(str(path), "w") as container:
            stream = container.add_stream("rawvideo", rate=25)
            stream.width, stream.height, stream.pix_fmt = 80, 48, "yuyv422"
            for number, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                    format="yuyv422"
                )
                frame.pts = number
                container.mux(stream.encode(frame))
    monkeypatch.setattr(video, "_open", lambda *_: av.open(str(path)))
    device = VideoDevice("/dev/video0", (80, 48), 25.0)
    assert device.is_live
    images = list(device.images())
    assert len(images) == len(pictures)
    kind = CompressedPixels if encoder == "mjpeg" else RawPixels
    for image, picture in zip(images, pictures, strict=True):
        assert isinstance(image.pixels, kind)
        assert np.abs(image.pixels.colors_8_bit("RGB").astype(int) - picture).mean() < 12
    assert images[1].stamp_ns > images[0].stamp_ns > 1_600_000_000 * 10**9


# What is no source.


def test_no_photos(tmp_path):
    with pytest.raises(SourceError, match=r"no photos in it \(.jpg"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nothing.mp4", {}, "no such file, folder or camera"),
        ("text.mp4", {}, "no video that FFmpeg can read|cannot be opened"),
        ("sound.wav", {}, "holds no video"),
        ("/dev/video99", {}, "/dev/video99: cannot be opened.*No such file"),
        ("/dev/video99", {"size_wh": (64, 48)}, "asked for .*64x48"),
        ("a.mp4", {"rate_hz": 3.0}, "a video has its own rate"),
        ("a.mp4", {"size_wh": (64, 48)}, "a size can be asked of a camera only"),
    ],
)
def test_what_is_no_source(tmp_path, name, options, words):
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    write_video(tmp_path / "a.mp4", count=2)
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    path = tmp_path / name if not name.startswith("/") else name
    with pytest.raises(SourceError, match=words):
        open_source(type(tmp_path)(path), **options)
