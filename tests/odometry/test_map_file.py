"""Maps in files: what was written is read, and nothing else is."""

import dataclasses
import os
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embodied_perception.camera import Camera
from embodied_perception.errors import OdometryError
from embodied_perception.features.extraction import Features
from embodied_perception.features.words import Vocabulary
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise
from embodied_perception.odometry import OdometryConfig
from embodied_perception.odometry.map_file import read_map, require_same_camera, write_map
from embodied_perception.odometry.places import MapContents, Place
from embodied_perception.odometry.pose_graph import Edge

CAMERA = Camera(
    320, 240, np.array([[270.0, 0, 160], [0, 271, 120], [0, 0, 1]]), D=[0.1, 0, 0, 0, 0]
)
CONFIG = OdometryConfig(places=30)
FEW = 4  # places

numbers = st.floats(-1e3, 1e3)
poses = st.builds(
    lambda turn, moved: Transform.from_rotation_vector(turn, moved),
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(numbers, numbers, numbers),
)


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.load()


def place(random, count):
    features = Features(
        random.uniform(0, 200, (count, 2)).astype(np.float32),
        random.uniform(10, 60, count).astype(np.float32),
        random.uniform(0, 360, count).astype(np.float32),
        random.uniform(0, 1, count).astype(np.float32),
        # Without features, an extractor does not say of which kind they would be.
        random.integers(0, 256, (count, 32), np.uint8) if count else np.zeros((0, 1), np.float32),
        CAMERA.resolution_wh,
    )
    points = random.uniform(0.5, 4, (count, 3))
    words = random.choice(900, count, replace=False).tolist()
    bag = dict(zip(words, random.uniform(0.01, 1, count).tolist(), strict=True))
    return Place(int(random.integers(2**60)), features, points, bag, Noise(0.7, 0.002))


def contents_of(map_from_camera, seed=0, features=20):
    random = np.random.default_rng(seed)
    count = len(map_from_camera)
    places = [place(random, 0 if slot == 1 else features) for slot in range(count)]
    edges = []
    for slot in range(1, count):
        root = random.normal(size=(6, 6)) * 0.01
        motion = map_from_camera[slot - 1].inverse() @ map_from_camera[slot]
        edges.append(Edge(slot - 1, slot, motion, root @ root.T))
    if count > 2:
        edges.append(Edge(0, count - 1, motion, 1e-6 * np.eye(6), is_loop=True))
    return MapContents(CAMERA, tuple(places), tuple(map_from_camera), tuple(edges))


def names(folder):
    return [path.name for path in folder.iterdir()]


def straight(count):
    return [
        Transform.from_rotation_vector((0, 0.1 * slot, 0), (0.2 * slot, 0, 0))
        for slot in range(count)
    ]


def assert_same(got, expected):
    assert got.camera.same_view(expected.camera)
    assert len(got.places) == len(expected.places)
    for one, other in zip(got.places, expected.places, strict=True):
        assert (one.stamp_ns, one.bag, one.noise) == (other.stamp_ns, other.bag, other.noise)
        np.testing.assert_array_equal(one.points, other.points)
        for name in ("pixels", "sizes", "angles", "responses"):
            np.testing.assert_array_equal(
                getattr(one.features, name), getattr(other.features, name)
            )
        if len(other.features):
            np.testing.assert_array_equal(one.features.descriptors, other.features.descriptors)
        assert one.features.descriptors.dtype == np.uint8
    for one, other in zip(got.map_from_camera, expected.map_from_camera, strict=True):
        np.testing.assert_array_equal(one.matrix, other.matrix)
    for one, other in zip(got.edges, expected.edges, strict=True):
        assert (one.first, one.second, one.is_loop) == (other.first, other.second, other.is_loop)
        np.testing.assert_array_equal(one.covariance, other.covariance)
        np.testing.assert_array_equal(one.first_from_second.matrix, other.first_from_second.matrix)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(poses, min_size=1, max_size=6), st.integers(0, 99))
def test_what_was_written_is_read_to_the_last_bit(tmp_path, vocabulary, map_from_camera, seed):
    contents = contents_of(map_from_camera, seed)
    path = tmp_path / "any name"
    write_map(path, contents, vocabulary)
    assert_same(read_map(path, CONFIG, vocabulary), contents)
    assert names(tmp_path) == ["any name"]


@pytest.fixture
def path(tmp_path, vocabulary):
    path = tmp_path / "room.npz"
    write_map(path, contents_of(straight(FEW)), vocabulary)
    return path


def refusal(path, vocabulary, config=CONFIG):
    """The words of it; they begin with the file's name."""
    with pytest.raises(OdometryError) as caught:
        read_map(path, config, vocabulary)
    head, _, reason = str(caught.value).partition(": ")
    assert head == str(path)
    return reason


def altered(path, **changes):
    """Write the file again with other arrays; None leaves one out."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def array_of(path, name):
    with np.load(path, allow_pickle=False) as archive:
        return archive[name]


def with_entry(array, index, value):
    changed = array.copy()
    changed[index] = value
    return changed


# Writing.


def test_a_map_is_replaced_as_a_whole_or_not_at_all(path, vocabulary, monkeypatch):
    before = path.read_bytes()

    def full_disk(file, **_):
        file.write(b"half a map")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full_disk)
        with pytest.raises(OdometryError, match=r"room\.npz: cannot be written: No space left"):
            write_map(path, contents_of(straight(9)), vocabulary)
    assert path.read_bytes() == before
    assert names(path.parent) == ["room.npz"]
    write_map(path, contents_of(straight(9)), vocabulary)
    assert len(read_map(path, CONFIG, vocabulary).places) == 9
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_is_no_map_is_not_replaced(tmp_path, vocabulary):
    other, link, pipe = (tmp_path / name for name in ("other", "link", "pipe"))
    np.savez(other.with_suffix(".npz"), format=np.array("something else"))
    other.write_text("precious")
    link.symlink_to(other)
    os.mkfifo(pipe)
    for path in (other, link, pipe, tmp_path, other.with_suffix(".npz")):
        with pytest.raises(OdometryError, match="is there and is no map, so it stays"):
            write_map(path, contents_of(straight(FEW)), vocabulary)
    assert other.read_text() == "precious"
    assert sorted(names(tmp_path)) == ["link", "other", "other.npz", "pipe"]


@pytest.mark.parametrize("name", ["no/such/folder/map", "a\0b", "x" * 300])
def test_a_path_that_cannot_be_written(tmp_path, vocabulary, name):
    with pytest.raises(OdometryError, match=r"cannot be written: .*folder that exists"):
        write_map(tmp_path / name, contents_of(straight(2)), vocabulary)
    assert names(tmp_path) == []


# Files that are no maps.


@pytest.mark.parametrize("name", ["", "nowhere.npz", "a\0b", "x" * 300])
def test_a_file_that_is_not_there(tmp_path, vocabulary, name):
    assert "~/save_map wrote" in refusal(tmp_path / name, vocabulary)


def test_a_pipe_is_not_waited_for(tmp_path, vocabulary):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe", vocabulary).startswith("no such file")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY", b"map: 1\n", b"\x80\4N."])
def test_another_kind_of_file(tmp_path, vocabulary, content):
    (tmp_path / "other").write_bytes(content)
    reason = refusal(tmp_path / "other", vocabulary)
    assert reason.startswith("cannot be read: ")
    assert reason.endswith("give one that ~/save_map wrote")


def test_another_npz(tmp_path, vocabulary):
    np.savez(tmp_path / "other.npz", centres=np.zeros(3))
    assert "is no map of places" in refusal(tmp_path / "other.npz", vocabulary)


def test_pickles_are_not_opened(path, vocabulary):
    altered(path, words=np.array([{"a": 1}], dtype=object))
    assert refusal(path, vocabulary).startswith("cannot be read: Object arrays")


def test_a_packed_file_is_not_unpacked(path, vocabulary):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    assert "compressed" in refusal(path, vocabulary)


def test_an_array_that_says_it_is_huge(path, vocabulary):
    """Its head promises what would not fit into memory."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head = members["words.npy"].split(b"\n")[0]
    (count,) = array_of(path, "words").shape
    promised = f"({count},)".encode(), b"(99999999999999,)"
    longer = head.replace(*promised)
    members["words.npy"] = longer.replace(b" " * (len(longer) - len(head)), b"", 1) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    assert refusal(path, vocabulary).startswith("cannot be read: ")


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_file_is_refused_or_says_the_same(path, vocabulary, data):
    """Cut short, or with some bytes changed."""
    whole = path.read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = st.integers(0, len(whole))
    damaged = damaged[: data.draw(st.just(len(whole)) | cut)]
    bad = path.with_name("damaged")
    bad.write_bytes(damaged)
    try:
        got = read_map(bad, CONFIG, vocabulary)
    except OdometryError:
        return
    assert_same(got, read_map(path, CONFIG, vocabulary))


# Maps that do not fit.


@pytest.mark.parametrize("version", [0, 2, -1, 1.0, "1", [1, 1], None])
def test_another_version(path, vocabulary, version):
    altered(path, version=None if version is None else np.array(version))
    assert "this program reads 1: make the map anew" in refusal(path, vocabulary)


def test_another_vocabulary(path, vocabulary):
    other = Vocabulary(vocabulary.centres, vocabulary.weights[::-1].copy())
    assert "another vocabulary" in refusal(path, other)


def test_more_places_than_the_parameter_allows(tmp_path, vocabulary):
    path = tmp_path / "long.npz"
    write_map(path, contents_of(straight(31)), vocabulary)
    assert "holds 31 places, the parameter `places` allows 30: set it to 31" in refusal(
        path, vocabulary
    )
    more = dataclasses.replace(CONFIG, places=31)
    assert len(read_map(path, more, vocabulary).places) == 31
    assert "allows 20" in refusal(path, vocabulary, dataclasses.replace(CONFIG, places=1))


def test_a_file_of_more_bytes_than_these_places_take(path, vocabulary):
    with path.open("ab") as file:
        file.truncate(4_000_000)
    assert refusal(path, vocabulary).startswith("got 4 MB, at most 3 MB are read for the 30 places")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"width": 640}, "640x240"),
        ({"K": np.array([[270.0, 0, 160], [0, 270, 120], [0, 0, 1]])}, "fy 270,"),
        ({"D": np.zeros(0)}, "[]"),
        ({"distortion_model": "equidistant", "D": np.zeros(4)}, "equidistant"),
    ],
)
def test_another_camera(path, vocabulary, change, told):
    contents = read_map(path, CONFIG, vocabulary)
    require_same_camera(contents, dataclasses.replace(CAMERA, P=np.zeros(0)))
    other = dataclasses.replace(CAMERA, **{"P": np.zeros(0), **change})
    with pytest.raises(OdometryError, match="of another camera: 320x240, fx 270, fy 271") as error:
        require_same_camera(contents, other)
    assert told in str(error.value).split("this one is")[1]


# Arrays that make no sense.


@pytest.mark.parametrize(
    "name",
    ["K", "stamps_ns", "map_from_camera", "pixels", "descriptors", "points", "words", "weights",
     "noise", "feature_counts", "edges", "covariances", "is_loop", "resolution_wh"],
)  # fmt: skip
def test_arrays_of_another_shape_or_type_or_none(path, vocabulary, name):
    whole = path.read_bytes()
    array = array_of(path, name)
    alternatives = [array[:-1], array[None], array.astype(np.complex64), array[..., 0], None]
    for other in alternatives:
        path.write_bytes(whole)
        altered(path, **{name: other})
        assert "the file is damaged: make the map anew" in refusal(path, vocabulary)


@pytest.mark.parametrize(
    ("name", "index", "value", "told"),
    [
        ("map_from_camera", (1, 0, 3), np.nan, "not finite"),
        ("points", (5, 1), np.inf, "not finite"),
        ("covariances", (0, 2, 2), np.nan, "not finite"),
        ("map_from_camera", (2, 0, 0), 1.1, "off orthonormal"),
        ("map_from_camera", (0, 1, 1), -1.0, "determinant -1"),
        ("map_from_camera", (1, 3, 0), 1.0, "last row"),
        ("first_from_second", (0, 2, 2), 0.0, "off orthonormal"),
        ("points", (5, 2), -1.0, "points"),
        ("noise", (0, 0), 0.0, "noise"),
        ("words", 0, -1, "words"),
        ("words", 0, 10**6, "words"),
        ("weights", 0, 0.0, "weights"),
        ("weights", 0, 2.0, "weights"),
        ("feature_counts", 0, 21, "feature_counts"),
        ("word_counts", slice(2), (2**62, -(2**62)), "word_counts"),
        ("edges", (0, 1), FEW, "edges"),
        ("edges", (0, 1), 0, "edges"),
        ("edges", (slice(None), 0), 1, "edges"),
        ("covariances", (0, 0, 1), 1.0, "covariances"),
        ("covariances", (0, 0, 0), -1.0, "covariances"),
        ("resolution_wh", 0, -5, "resolution_wh"),
        ("K", (0, 0), -1.0, "K: got fx=-1"),
    ],
)
def test_numbers_that_make_no_sense(path, vocabulary, name, index, value, told):
    altered(path, **{name: with_entry(array_of(path, name), index, value)})
    assert told in refusal(path, vocabulary)


def test_places_that_no_edge_joins(path, vocabulary):
    """0 - 1 and 2 - 3."""
    altered(path, edges=np.array([(0, 1), (0, 1), (2, 3), (2, 3)]))
    assert "edges: do not join all places" in refusal(path, vocabulary)


def test_a_distortion_model_that_is_none(path, vocabulary):
    altered(path, distortion_model=np.array("barrel"))
    assert "distortion_model: got 'barrel'" in refusal(path, vocabulary)
