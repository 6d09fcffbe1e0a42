"""`perception tf` from the outside, on bags; tests/ros has it on a graph."""

import json
from pathlib import Path

import numpy as np
import pytest
import tf_transformations
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from embodied_perception.bags import BagWriter
from embodied_perception.cli.main import main
from embodied_perception.cli.tf.rotations import EULER_AXES, convention_of
from embodied_perception.errors import ConfigError, GeometryError
from embodied_perception.geometry import ROTATIONS, Transform
from embodied_perception.stages.messages import transform_message

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
CAMERA = Transform(ROTATIONS["rpy_deg"].read([-90, 0, -90]), np.array([0.2, 0, 0.5]))


def base(second):
    """1 m/s forward, and a quarter turn in 10 s."""
    return Transform.from_rotation_vector((0, 0, np.pi / 20 * second), (second, 0, 0))


def write_bag(path, *edges, clock_ns=START_NS, static=True):
    """A bag with a robot that moves for 4 s, and with further (parent, child, second)."""
    with BagWriter(path) as out:
        if static:
            message = transform_message(CAMERA, "base_link", "camera", 0)
            out.write("/tf_static", TFMessage(transforms=[message]), clock_ns, latched=True)
        for step in range(41):
            stamp_ns = START_NS + step * SECOND // 10
            edge = transform_message(base(step / 10), "odom", "base_link", stamp_ns)
            log_ns = clock_ns + step * SECOND // 10
            out.write("/tf", TFMessage(transforms=[edge]), log_ns)
        for parent, child, second in edges:
            edge = transform_message(
                Transform.identity(), parent, child, START_NS + round(second * SECOND)
            )
            out.write("/tf", TFMessage(transforms=[edge]), log_ns)
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp("tf") / "robot.mcap")


@pytest.fixture
def tf(capsys):
    """Call `perception tf`; returns its exit status, what it printed, and what went wrong."""

    def call(*words):
        status = main(["tf", *map(str, words)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


# The tree.


def test_tree(tf, bag):
    status, out, err = tf("tree", bag)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "robot.mcap: 3 frames",
        "odom",
        "└── base_link  dynamic, 10.0 Hz, 41 transforms, 0.00 to 4.00 s, "
        "the last 0.00 s before the end",
        "    └── camera  static",
    ]


def test_tree_of_the_demo(tf, tmp_path):
    picture = tmp_path / "pictures" / "tree.png"
    status, out, _ = tf("tree", DEMO, "-o", picture)
    assert status == 0
    assert out.splitlines() == [
        "demo_room.mcap: 2 frames",
        "base_link",
        "└── camera_color_optical_frame  static",
        f"wrote {picture}",
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_tree_tells_problems(tf, tmp_path):
    path = write_bag(
        tmp_path / "a.mcap",
        ("world", "cup", 1),
        ("camera", "cup", 3),
        ("camera", "odom", 3),
        ("world", "table", 2),
        ("camera", "camera", 2),
        ("lidar", "", 2),
    )
    status, out, _ = tf("tree", path)
    assert status == 0
    problems = [line for line in out.splitlines() if line.startswith("problem: ")]
    starts = [
        "two separate trees: publish a transform that connects them; their roots are odom, world",
        "cup is said to be in camera (3.00 to 3.00 s) and world (1.00 to 1.00 s)",
        "BAD_TRANSFORM, once: camera -> odom: 'camera' -> 'odom' would close a loop",
        "BAD_TRANSFORM, once: camera -> camera: got frame 'camera' as its own parent",
        "BAD_TRANSFORM, once: lidar -> : got frames 'lidar' -> '', expected two names",
    ]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(f"problem: {start}")
    assert "cup  dynamic, once, 1 transforms, 3.00 to 3.00 s, the last 1.00 s before" in out
    assert "└── table  dynamic" in out


def test_tree_says_that_the_bag_is_damaged(tf, bag, tmp_path):
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(bag.read_bytes()[:-100])
    status, out, _ = tf("tree", cut)
    assert status == 0
    assert "problem: the bag is damaged: " in out


def test_frames_may_be_called_anything(tf, tmp_path):
    _, out, _ = tf("tree", write_bag(tmp_path / "a.mcap", ("odom", "[red]x[/]", 1)))
    assert "[red]x[/]  dynamic, once" in out


@pytest.mark.parametrize(
    ("name", "words"), [("tree.xyz", "Format 'xyz' is not supported"), ("tree", "Format ''")]
)
def test_a_picture_that_cannot_be_written(tf, bag, tmp_path, name, words):
    status, _, err = tf("tree", bag, "-o", tmp_path / name)
    assert status == 2
    assert words in err


# Look-ups.


def look_up(tf, *words):
    status, out, err = tf("lookup", *words, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize(
    ("at", "second"),
    [("0", 0), ("2.5", 2.5), ("1.23456789", 1.23456789), ("1700000002.5", 2.5), ("latest", 4)],
)
def test_lookup_at_a_time(tf, bag, at, second):
    found = look_up(tf, "odom", "camera", bag, "--at", at)
    expected = base(second) @ CAMERA
    assert found["stamp_ns"] == START_NS + round(second * SECOND)
    assert (found["target"], found["source"]) == ("odom", "camera")
    np.testing.assert_allclose(found["matrix"], expected.matrix, atol=1e-9)
    np.testing.assert_allclose(found["translation_m"], expected.translation, atol=1e-9)
    assert found["rotation"].keys() == ROTATIONS.keys()
    for key, numbers in found["rotation"].items():
        np.testing.assert_allclose(ROTATIONS[key].read(numbers), expected.rotation, atol=1e-9)


def test_a_stamp_is_exact_to_the_nanosecond(tf, bag):
    found = look_up(tf, "odom", "base_link", bag, "--at", "1700000001.000000001")
    assert found["stamp_ns"] == START_NS + SECOND + 1


def test_lookup_of_static_frames(tf):
    found = look_up(tf, "base_link", "camera_color_optical_frame", DEMO)
    assert found["stamp_ns"] is None
    np.testing.assert_allclose(found["translation_m"], [0.14, 0.02, 0.98], atol=1e-9)
    np.testing.assert_allclose(found["rotation"]["rpy_deg"], [-103, 0, -90], atol=1e-9)


def test_lookup_in_words(tf, bag):
    status, out, _ = tf("lookup", "odom", "camera", bag, "--at", 2)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "odom_from_camera at 1700000002.000000000 s (2.000 s after the bag's start)"
    x, y, z = (base(2) @ CAMERA).translation
    assert f"t, the translation in metres: {x:.6f}, {y:.6f}, {z:.6f}" in out
    assert lines[-1] == (
        "A point p in camera lies at R p + t in odom; the origin of camera is at "
        f"({x:.6f}, {y:.6f}, {z:.6f}) m in odom."
    )
    rows = [line.split() for line in lines if line.startswith("  ")]
    np.testing.assert_allclose(np.array(rows, float), (base(2) @ CAMERA).matrix, atol=1e-6)
    assert all(key in out for key in ROTATIONS)
    assert "-0.000000" not in out
    assert "at any time" in tf("lookup", "base_link", "camera", bag)[1]


def test_times_of_a_simulation_that_was_recorded_by_the_wall_clock(tf, tmp_path):
    path = write_bag(tmp_path / "a.mcap", clock_ns=1_800_000_000 * SECOND)
    assert look_up(tf, "odom", "base_link", path, "--at", 1)["translation_m"][0] == 1
    assert "0.00 to 4.00 s, the last 0.00 s before the end" in tf("tree", path)[1]


def test_a_frame_that_was_elsewhere_is_found_there(tf, tmp_path):
    path = write_bag(tmp_path / "a.mcap", ("world", "cup", 1), ("camera", "cup", 3))
    assert look_up(tf, "world", "cup", path, "--at", 1)["translation_m"] == [0, 0, 0]
    assert look_up(tf, "odom", "cup", path, "--at", 3)["stamp_ns"] == START_NS + 3 * SECOND


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["odom", "odom"], "got 'odom' twice, expected two frames"),
        (["odom", "lidar"], "frame 'lidar' does not exist; known frames: base_link, camera, odom"),
        (["odom", ""], "got frame '', expected a name"),
        (["odom", "/camera"], "got frame '/camera', expected a name without a leading slash"),
        (["odom", "camera", "--at", "4.1"], "needs extrapolation into the future: 'odom' -> 'base"),
        (
            ["odom", "camera", "--at", "4.1"],
            "camera in odom is known from 1700000000.000000000 s (0.000 s after the bag's start) "
            "to 1700000004.000000000 s (4.000 s",
        ),
        (["odom", "camera", "--at", "1600000000"], "needs extrapolation into the past"),
        (["odom", "camera", "--at", "nan"], "--at: got 'nan', expected seconds"),
        (["odom", "camera", "--at", "-1"], "--at: got '-1', expected seconds"),
        (["odom", "camera", "--at", "-1e-3"], "--at: got '-1e-3', expected seconds"),
        (["odom", "camera", "--at", "inf"], "--at: got 'inf'"),
        (["odom", "camera", "--at", "1e30"], "--at: got '1e30'"),
        (["odom", "camera", "--at", "noon"], "--at: got 'noon'"),
        (["odom", "camera", "--wait", "0"], "--wait: got 0, expected seconds, more than 0"),
        (["odom", "camera", "--wait", "nan"], "--wait: got nan"),
    ],
)
def test_lookups_that_have_no_answer(tf, bag, words, said):
    status, out, err = tf("lookup", *words[:2], bag, *words[2:])
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_separate_trees_are_not_looked_through(tf, tmp_path):
    path = write_bag(tmp_path / "a.mcap", ("world", "table", 1))
    status, _, err = tf("lookup", "odom", "table", path)
    assert status == 2
    assert "publish a transform that connects them" in err


def test_frames_that_share_no_time(tf, tmp_path):
    path = write_bag(tmp_path / "a.mcap", ("camera", "lens", 9))
    status, _, err = tf("lookup", "odom", "lens", path, "--at", 2)
    assert status == 2
    assert "'camera' -> 'lens' is known in [1700000009" in err
    assert "there is no time at which all transforms between them are known" in err


@pytest.mark.parametrize("question", [["tree"], ["lookup", "odom", "camera"]])
def test_bags_without_transforms(tf, tmp_path, question):
    assert "no such file" in tf(*question, tmp_path / "none.mcap")[2]
    path = tmp_path / "a.mcap"
    with BagWriter(path) as out:
        out.write("/chat", String(data="hello"), START_NS)
        out.write("/tf", String(data="hello"), START_NS)
    status, out, err = tf(*question, path)
    assert (status, out) == (2, "")
    assert "a.mcap: no transforms, which are tf2_msgs/msg/TFMessage on /tf and /tf_static" in err
    assert "it holds /chat (std_msgs/msg/String), /tf (std_msgs/msg/String)" in err
    with BagWriter(tmp_path / "empty.mcap") as out:
        out.write("/tf", TFMessage(), START_NS)
    assert "empty.mcap: no transforms" in tf(*question, tmp_path / "empty.mcap")[2]


# Conversions.


def test_convert_to_all(tf):
    status, out, _ = tf("convert", "rpy_deg", "-90", "0", "-90")
    assert status == 0
    for text in ("-90.000000  0.000000  -90.000000", "-0.500000  0.500000  -0.500000  0.500000"):
        assert text in out
    assert all(key in out and ROTATIONS[key].meaning[:20] in out for key in ROTATIONS)
    assert "euler" not in out
    assert "euler_rzyx_deg" in tf("convert", "euler_rzyx_deg", 1, 2, 3)[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rpy_deg -90 0 -90 --to quaternion_xyzw", [-0.5, 0.5, -0.5, 0.5]),
        ("--to rpy_deg quaternion_xyzw -0.5 .5 -.5 5e-1", [-90, 0, -90]),
        ("rpy_rad -1e-3 -.5 -0.5 --to rpy_rad", [-1e-3, -0.5, -0.5]),
        ("rpy_rad -1E-3 -0 -1. --to rpy_rad", [-1e-3, 0, -1]),
        ("matrix 0 1 0 -1 0 0 0 0 1 --to rpy_deg", [0, 0, -90]),
        ("rpy_deg 10 20 30 --to euler_rzyx_deg", [30, 20, 10]),
        ("vector_rad 0 0 -3 --to vector_rad", [0, 0, -3]),
    ],
)
def test_convert_for_scripts(tf, words, expected):
    status, out, err = tf("convert", *words.split())
    assert (status, err) == (0, "")
    numbers = out.split()
    assert "-0.0" not in numbers
    assert len(out.splitlines()) == 1
    np.testing.assert_allclose(np.array(numbers, float), expected, atol=1e-11)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rpy_deg", "1", "2"], "rpy_deg: got [1.0, 2.0], expected roll, pitch, yaw in degrees"),
        (["rpy_deg", "nan", "0", "0"], "rpy_deg: got [nan, 0.0, 0.0], expected roll"),
        (["rpy_deg", "-inf", "0", "0"], "rpy_deg: got [-inf, 0.0, 0.0], expected roll"),
        (["rpy_deg", "north", "0", "-1"], "rpy_deg: got ['north', '0', '-1'], expected roll"),
        (["rpy_deg", "", "0", "0"], "rpy_deg: got ['', '0', '0'], expected roll"),
        (["quaternion_xyzw", "0", "0", "0", "0"], "length 0, not 1"),
        (["quaternion_wxyz", "1", "1", "0", "0"], "length 1.41, not 1"),
        (["matrix", *"100010001".replace("1", "2")], "matrix: [2.0, 0.0"),
        (["matrix", "-1", *"00010001"], "a mirror"),
        (["euler_sxyz_deg", "1", "2"], "euler_sxyz_deg: got [1.0, 2.0], expected three angles in"),
        (["euler_rzyx_rad", "1e9", "0", "0"], "an angle beyond 10000 radians"),
        (["rpy", "1", "2", "3"], "got the convention 'rpy', expected one of rpy_deg, rpy_rad,"),
        (["", "1", "2", "3"], "got the convention '', expected one of"),
        (["euler_sxxz_deg", "1", "2", "3"], "AXES one of sxyx, sxyz,"),
        (["euler_sxyz", "1", "2", "3"], "euler_AXES_deg or euler_AXES_rad"),
        (["euler_sxyz_grad", "1", "2", "3"], "got the convention 'euler_sxyz_grad'"),
        (["rpy_deg", "1", "2", "3", "--to", "xyzw"], "got the convention 'xyzw'"),
    ],
)
def test_what_cannot_be_converted(tf, words, said):
    status, out, err = tf("convert", *words)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "words", [[], ["convert"], ["convert", "rpy_deg"], ["lookup", "odom"], ["dance"]]
)
def test_wrong_use(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["tf", *words])
    assert stopped.value.code == 2
    assert "usage: perception tf" in capsys.readouterr().err


@pytest.mark.parametrize("question", ["tree", "lookup", "convert"])
def test_help_has_examples(question, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["tf", question, "--help"])
    assert stopped.value.code == 0
    assert f"Examples:\n  perception tf {question} " in capsys.readouterr().out


# Euler angles.


def scipy_axes(axes):
    """SciPy writes static axes in small letters, turned ones in capitals."""
    return axes[1:] if axes[0] == "s" else axes[1:].upper()


def test_there_are_24_orders_of_axes():
    assert len(set(EULER_AXES)) == 24
    assert {"sxyz", "rzyx", "szxz"} <= set(EULER_AXES)


@pytest.mark.parametrize("axes", EULER_AXES)
def test_euler_angles_agree_with_scipy_and_tf_transformations(axes):
    angles = np.array([0.3, -0.7, 1.1])
    rotation = convention_of(f"euler_{axes}_rad").read(angles)
    expected = Rotation.from_euler(scipy_axes(axes), angles).as_matrix()
    np.testing.assert_allclose(rotation, expected, atol=1e-12)
    by_package = tf_transformations.euler_matrix(*angles, axes)[:3, :3]
    np.testing.assert_allclose(rotation, by_package, atol=1e-12)
    got = convention_of(f"euler_{axes}_deg").write(rotation)
    by_package = np.degrees(tf_transformations.euler_from_matrix(rotation, axes))
    np.testing.assert_allclose(got, by_package, atol=1e-9)


quaternions = (
    st.lists(st.floats(-1, 1), min_size=4, max_size=4)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
)
keys = st.sampled_from([*ROTATIONS, *(f"euler_{axes}_deg" for axes in EULER_AXES)])


@settings(deadline=None)
@given(key=keys, quaternion=quaternions)
def test_what_is_written_reads_back(key, quaternion):
    rotation = Rotation.from_quat(quaternion).as_matrix()
    numbers = convention_of(key).write(rotation)
    np.testing.assert_allclose(convention_of(key).read(numbers), rotation, atol=1e-6)


@pytest.mark.parametrize("axes", EULER_AXES)
@pytest.mark.parametrize("off", [0, 1e-15, 1e-14, 1e-12, 1e-9, 1e-7])
def test_where_two_axes_are_one(axes, off):
    """There tf_transformations alone is off by up to 5 degrees, for want of digits."""
    middle = (0 if axes[1] == axes[3] else np.pi / 2) + off
    turns = Rotation.from_euler(scipy_axes(axes), [0.4, middle, 1.3])
    rotation = Rotation.from_quat(turns.as_quat()).as_matrix()
    convention = convention_of(f"euler_{axes}_rad")
    again = convention.read(convention.write(rotation))
    np.testing.assert_allclose(again, rotation, atol=3e-8)


@given(st.text(max_size=20))
def test_other_keys_are_refused(key):
    if key in ROTATIONS or key.startswith("euler_"):
        return
    with pytest.raises(ConfigError, match="expected one of rpy_deg"):
        convention_of(key)


@given(st.lists(st.floats() | st.text(max_size=5), max_size=10))
def test_numbers_either_make_a_rotation_or_are_refused(numbers):
    try:
        rotation = convention_of("euler_szyx_deg").read(numbers)
    except GeometryError:
        return
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
