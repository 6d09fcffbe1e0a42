"""Bags of photos and videos."""

import numpy as np
import pytest
from PIL import Image

from embodied_perception.bags import BagReader
from embodied_perception.camera import Camera, camera_from_info, write_camera_info_yaml
from embodied_perception.cli.main import main
from embodied_perception.stages.image_messages import frame_from_compressed, frame_from_image
from embodied_perception.stages.messages import stamp_ns, time_ns

PICTURE = np.random.default_rng(6).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for place in range(3):
        exif = Image.Exif()
        exif[0x0112] = 1
        exif.get_ifd(0x8769)[0xA405] = 28
        Image.fromarray(PICTURE).save(folder / f"{place}.png", exif=exif)
    return folder


def record(source, *words, output=None):
    output = output or source.parent / "out.mcap"
    assert main(["record", str(source), "-o", str(output), *map(str, words)]) == 0
    with BagReader(output) as bag:
        messages = list(bag.messages())
    return lambda topic: [message for name, _, message in messages if name == topic]


def test_photos_with_a_guessed_camera_that_is_said_to_be_one(photos, capsys):
    of = record(photos, "--rate", 2)
    images, infos = of("/camera/image_raw/compressed"), of("/camera/camera_info")
    assert len(images) == len(infos) == 3
    assert [stamp_ns(m.header) for m in infos] == [stamp_ns(m.header) for m in images]
    assert stamp_ns(images[1].header) - stamp_ns(images[0].header) == 500_000_000
    np.testing.assert_array_equal(frame_from_compressed(images[0]).rgb, PICTURE)
    assert bytes(images[0].data) == (photos / "0.png").read_bytes()
    camera = camera_from_info(infos[0])
    assert camera.fx == pytest.approx(28 * 80 / np.hypot(36, 24))
    (told,) = of("/diagnostics")
    assert told.status[0].name == "/camera/camera_info"
    assert "a guess from EXIF" in told.status[0].message
    assert "perception calibrate" in told.status[0].message
    said = capsys.readouterr()
    assert "a guess from EXIF" in said.err
    assert "3 images" in said.out


def test_a_calibration_takes_the_guesss_place(photos, tmp_path):
    path = tmp_path / "camera.yaml"
    write_camera_info_yaml(path, Camera.pinhole(64, 48, 70.0, 70.0, 31.5, 23.5), "front")
    Image.fromarray(PICTURE[:20]).save(photos / "small.png")
    of = record(photos, "--camera", path, "--name", "front/left")
    assert {info.k[0] for info in of("/front/left/camera_info")} == {70.0}
    assert of("/front/left/image_raw/compressed")[0].header.frame_id == "front/left_optical_frame"
    assert of("/diagnostics") == []
    assert len(of("/front/left/image_raw/compressed")) == 3  # not the small one


def test_an_image_of_another_size_is_named(photos, tmp_path, capsys):
    path = tmp_path / "camera.yaml"
    write_camera_info_yaml(path, Camera.pinhole(64, 48, 70.0, 70.0, 31.5, 23.5), "front")
    Image.fromarray(PICTURE[:20]).save(photos / "small.png")
    record(photos, "--camera", path)
    assert "small.png: is 64x20, the calibration is for 64x48" in capsys.readouterr().err


def test_without_a_guess_the_camera_is_uncalibrated(tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    Image.fromarray(PICTURE).save(folder / "a.png")
    (info,) = record(folder)("/camera/camera_info")
    assert (info.width, info.height, info.k[0]) == (64, 48, 0.0)


@pytest.mark.parametrize("storage", ["jpeg", "png", "raw"])
def test_storage(tmp_path, storage):
    folder = tmp_path / "photos"
    folder.mkdir()
    smooth = np.tile(np.arange(64, dtype=np.uint8)[:, None] * 3, (48, 1, 3))
    Image.fromarray(smooth).save(folder / "a.bmp")
    of = record(folder, "--storage", storage)
    if storage == "raw":
        (image,) = of("/camera/image_raw")
        np.testing.assert_array_equal(frame_from_image(image).rgb, smooth)
        assert image.encoding == "rgb8"
    else:
        (image,) = of("/camera/image_raw/compressed")
        assert image.format == storage
        assert np.abs(frame_from_compressed(image).rgb.astype(int) - smooth).max() <= 3


@pytest.fixture
def video_file(tmp_path, make_video):
    import av

    video = make_video("libx264", 2, 20)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.max_b_frames = 2
        for number, picture in enumerate(video.pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path, video


def test_a_videos_packets_are_kept_and_replay(video_file, tmp_path):
    path, video = video_file
    of = record(path, "--storage", "packets")
    packets = of("/camera/image_raw/foxglove")
    assert len(packets) == 20
    assert {packet.format for packet in packets} == {"h264"}
    assert time_ns(packets[0].timestamp) == 10**9
    replayed = tmp_path / "replayed.mcap"
    words = ["replay", str(path.parent / "out.mcap"), "-o", str(replayed), "--stages", "image"]
    assert main(words) == 0
    with BagReader(replayed) as bag:
        pictures = [m for _, _, m in bag.messages(["/image/image_color/compressed"])]
    assert len(pictures) == 20
    for number, message in enumerate(pictures):
        assert video.error(frame_from_compressed(message).bgr, number) < 10


def test_a_videos_pictures_for_a_while(video_file):
    path, video = video_file
    of = record(path, "--duration", 0.4)
    images = of("/camera/image_raw/compressed")
    assert len(images) == 11  # those of 0 to 0.4 s, 25 a second
    assert video.error(frame_from_compressed(images[3]).bgr, 3) < 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "0"], "--rate: got 0, expected more than 0"),
        (["--duration", "nan"], "--duration"),
        (["--size", "big"], "--size: got 'big', expected WIDTHxHEIGHT"),
        (["--size", "64x48"], "a size can be asked of a camera only"),
        (["--name", "a b"], "--name: got 'a b'"),
        (["--name", "/a"], "--name"),
        (["--storage", "packets"], "only a video file has packets"),
        (["--camera", "nothing.yaml"], "nothing.yaml"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_no_bag(photos, capsys, words, said):
    output = photos.parent / "out.mcap"
    assert main(["record", str(photos), "-o", str(output), *words]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert not output.exists()


def test_a_folder_of_broken_photos_leaves_no_bag(tmp_path, capsys):
    (tmp_path / "a.jpg").write_text("no photo")
    output = tmp_path / "out.mcap"
    assert main(["record", str(tmp_path), "-o", str(output)]) == 2
    assert "gave no image: " in capsys.readouterr().err
    assert not output.exists()


def test_the_source_is_not_overwritten(video_file, capsys):
    path, _ = video_file
    data = path.read_bytes()
    assert main(["record", str(path), "-o", str(path)]) == 2
    assert "is the source itself" in capsys.readouterr().err
    assert path.read_bytes() == data
