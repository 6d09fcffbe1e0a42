"""The rendered rooms: geometry, path and sensor always; pictures where MuJoCo can draw."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BAG = ROOT / "src/embodied_perception_bringup/demo/demo_room.mcap"
sys.path.append(str(ROOT / "tools"))

from demo_room import (  # noqa: E402
    captions,
    meshes,
    objects,
    sensor,
    textures,
)
from demo_room.masks import render_masks, write_labels, write_split  # noqa: E402
from demo_room.palette import (  # noqa: E402
    CLASSES,
    COLORS,
    HELD_OUT_PAIRS,
    OBJECT_CLASSES,
    rgb,
)
from demo_room.parts import part  # noqa: E402
from demo_room.path import BASE_FROM_CAMERA, FRAMES, speeds, world_from_base  # noqa: E402
from demo_room.random_rooms import random_room  # noqa: E402
from demo_room.render import CAMERA, MIN_VISIBLE_PX, Painter, detections, render  # noqa: E402
from demo_room.room import Item  # noqa: E402
from demo_room.rooms import DEMO, HELDOUT  # noqa: E402
from demo_room.world import build  # noqa: E402

ROOMS = [DEMO, HELDOUT, random_room(0)]

world_of = functools.cache(build)


@pytest.fixture(scope="module", params=ROOMS, ids=lambda room: room.name)
def built(request):
    return request.param, world_of(request.param)


# Geometry


def volume(mesh: meshes.Mesh) -> float:
    """By the divergence theorem: right only for closed meshes whose faces point outward."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (meshes.box((0.2, 0.3, 0.5), (1, 2, 3)), 0.2 * 0.3 * 0.5),
        (meshes.sphere(0.5, 0.2), 4 / 3 * np.pi * 0.5**3),
        (meshes.lathe([(1e-6, 0), (0.3, 0), (0.3, 1), (1e-6, 1)], 200), np.pi * 0.3**2),
        (meshes.tube([(0, 0, 0), (0, 0, 0.5), (0, 0, 1)], 0.1, 200), np.pi * 0.1**2),
        (meshes.cushion((1, 1, 1), (0, 0, 0), 1.0), 4 / 3 * np.pi * 0.5**3),
    ],
    ids=["box", "sphere", "cylinder", "tube", "ellipsoid"],
)
def test_mesh_is_closed_and_faces_outward(mesh, expected):
    assert volume(mesh) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("kind", objects.BUILDERS)
def test_object_stands_on_its_base_and_normals_agree_with_faces(kind):
    made = objects.BUILDERS[kind](np.random.default_rng(1), rgb("red"))
    bounds = np.stack([each.mesh.bounds for each in made])
    assert bounds[:, 0, 2].min() == pytest.approx(0, abs=2e-3)
    size = bounds[:, 1].max(0) - bounds[:, 0].min(0)
    assert (size > 0.015).all()
    assert (size < 0.45).all()
    for each in made:
        assert each.class_name == kind
        corners = each.mesh.vertices[each.mesh.faces]
        face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        agreement = np.einsum("ij,ikj->ik", face, each.mesh.normals[each.mesh.faces])
        assert (agreement > -1e-8).mean() > 0.99
        np.testing.assert_allclose(np.linalg.norm(each.mesh.normals, axis=1), 1, atol=1e-6)


def test_classes_are_fixed_and_fit_the_mask():
    assert set(objects.BUILDERS) == set(OBJECT_CLASSES)
    assert len(set(CLASSES)) == len(CLASSES) < 255
    assert CLASSES.index("floor") == 0
    assert len(COLORS) == 11


def test_objects_are_what_their_colour_says():
    nearest = {}
    for color in COLORS:
        image = objects.BUILDERS["cushion"](np.random.default_rng(0), rgb(color))[0].image_rgb
        mean = image.reshape(-1, 3).mean(0)
        nearest[color] = min(COLORS, key=lambda name: np.linalg.norm(rgb(name) - mean))
    assert nearest == {color: color for color in COLORS}


@pytest.mark.parametrize("style", ["bricks", "wallpaper", "planks"])
def test_wall_and_floor_textures_do_not_repeat(style):
    rng, shape = np.random.default_rng(3), (480, 960)
    image = {
        "bricks": lambda: textures.bricks(rng, (160, 90, 70), shape),
        "wallpaper": lambda: textures.wallpaper(rng, (200, 200, 190), [(80, 60, 90)], shape),
        "planks": lambda: textures.planks(rng, (186, 138, 88), shape, 56),
    }[style]()
    gray = image.mean(2) - image.mean()
    spectrum = np.abs(np.fft.fft2(gray)) ** 2
    correlation = np.fft.ifft2(spectrum).real
    correlation /= correlation[0, 0]
    rows, columns = (np.abs(np.fft.fftfreq(size, 1 / size)) for size in shape)
    elsewhere = (rows[:, None] > 12) | (columns > 120)  # beyond one brick, one stretch of grain
    assert correlation[elsewhere].max() < 0.65


# Rooms


def test_rooms_hold_named_objects_on_furniture(built):
    room, world = built
    assert 15 <= len(world.objects) <= 20
    assert len({placed.instance for placed in world.objects}) == len(world.objects)
    wide, deep, high = room.size_xyz
    for placed in world.objects:
        low, top = placed.center_xyz - placed.size_xyz / 2, placed.center_xyz + placed.size_xyz / 2
        assert (np.abs([low[:2], top[:2]]) < [wide / 2, deep / 2]).all(), placed.instance
        assert 0.3 < low[2] < top[2] < high, placed.instance
        carried = min(
            solid.distance(placed.center_xyz * [1, 1, 0] + [0, 0, low[2] - 0.01])
            for solid in world.solids
        )
        assert carried == 0, f"{placed.instance} floats"


def test_furniture_stays_in_the_room_and_apart(built):
    room, world = built
    unit = np.stack(np.meshgrid(*[np.linspace(-0.49, 0.49, 9)] * 3, indexing="ij"), -1)
    for i, solid in enumerate(world.solids):
        turn = np.radians(solid.yaw)
        east, north = [np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]
        inside = (unit * solid.size_xyz) @ np.array([east, north, [0, 0, 1]]).T + solid.center_xyz
        assert (np.abs(inside[..., :2]) <= np.array(room.size_xyz[:2]) / 2 + 1e-9).all()
        for other in world.solids[i + 1 :]:
            if other.owner != solid.owner:
                assert other.distance(inside).min() > 0, f"{solid.owner} in {other.owner}"


def test_pairs_differ_between_the_rooms_but_some_are_shared():
    assert len(DEMO.pairs) == len(HELDOUT.pairs) == 20
    assert {"red mug", "blue box", "green bottle"} <= set(DEMO.pairs) & set(HELDOUT.pairs)
    assert len(set(HELDOUT.pairs) - set(DEMO.pairs)) >= 10


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Item("blue", "mug", "table", -0.13, -0.2), "overlap"),
        (Item("blue", "mug", "table", 0.55, 0.0), "does not fit on 'table'"),
        (Item("blue", "bottle", "shelf/0", 9.0, 0.0), "does not fit on 'shelf/0'"),
    ],
)
def test_impossible_places_are_refused(item, reason):
    with pytest.raises(ValueError, match=reason):
        build(
            dataclasses.replace(DEMO, size_xyz=(1, 1, 1), hangings=(), items=(DEMO.items[0], item))
        )


def test_random_rooms_depend_on_the_seed_only():
    assert random_room(5) == random_room(5)
    assert random_room(5) != random_room(6)


def test_random_rooms_build_and_between_them_show_every_class():
    shown = set()
    for seed in range(100):
        room = random_room(seed)
        shown |= {each.kind for each in (*room.furniture, *room.hangings, *room.items)}
        assert len(room.items) == 18
        assert len(set(room.pairs)) == len(room.items)
        assert len({item.kind for item in room.items}) >= 14
        for number, item in enumerate(room.items):
            for other in room.items[:number]:  # what world.build refuses
                apart = max(abs(item.x - other.x), abs(item.y - other.y))
                assert item.on != other.on or apart > reach(item.kind) + reach(other.kind)
        doors = [each for each in room.hangings if each.kind == "door"]
        assert len(doors) == 1
        for each in room.hangings:
            if each.wall == doors[0].wall and each is not doors[0]:
                gap = abs(each.along - doors[0].along) - (each.size[0] + doors[0].size[0]) / 2
                assert gap > 0.05
    assert shown >= set(CLASSES) - {"floor", "wall", "ceiling"}


def test_rooms_to_learn_captions_from_lack_the_held_out_pairs_and_nothing_else():
    rooms = [random_room(seed, HELD_OUT_PAIRS) for seed in range(100)]
    learnt = {(item.color, item.kind) for room in rooms for item in room.items}
    assert not learnt & HELD_OUT_PAIRS
    assert learnt == {(color, kind) for color in COLORS for kind in OBJECT_CLASSES} - HELD_OUT_PAIRS
    assert all(len(room.items) == 18 for room in rooms)
    assert random_room(3, {("no", "such")}) == random_room(3)


def test_held_out_pairs_are_in_the_held_out_room_and_some_in_the_demo():
    names = {f"{color} {kind}" for color, kind in HELD_OUT_PAIRS}
    assert names <= set(HELDOUT.pairs)
    assert names & set(DEMO.pairs) == {"red mug", "green bottle", "blue box"}


@functools.cache
def reach(kind: str) -> float:
    """Metres from an object's place to its farthest side, however it is turned."""
    parts = objects.BUILDERS[kind](np.random.default_rng(0), rgb("red"))
    return max(np.linalg.norm(each.mesh.vertices[:, :2], axis=1).max() for each in parts)


# Path


def test_path_is_slow_closed_and_keeps_its_distance(built):
    room, world = built
    poses = world_from_base(room.orbit)
    metres_per_s, degrees_per_s = speeds(poses)
    assert len(poses) == FRAMES
    assert 4 <= metres_per_s.sum() / 15 <= 7
    assert metres_per_s.max() <= 0.5
    assert degrees_per_s.max() <= 30
    assert np.linalg.norm((poses[0].inverse() @ poses[-1]).translation) < 0.05
    camera = np.array([(pose @ BASE_FROM_CAMERA).translation for pose in poses])
    base = np.array([pose.translation for pose in poses])
    assert min(solid.distance(camera).min() for solid in world.solids) >= 0.4
    assert min(solid.distance(base).min() for solid in world.solids) >= 0.25
    middle = np.array([0, 0, room.size_xyz[2] / 2])
    assert (np.array(room.size_xyz) / 2 - np.abs(camera - middle)).min() >= 0.4


def test_camera_looks_forward_and_slightly_down():
    x, y, z = BASE_FROM_CAMERA.rotation.T
    assert z[0] > 0.95
    assert -0.3 < z[2] < -0.1
    np.testing.assert_allclose(x, [0, -1, 0], atol=1e-12)
    assert y[2] < -0.95


# Sensor


@pytest.mark.parametrize(("distance_m", "expected_mm"), [(1.0, 2.0), (2.0, 8.0), (3.0, 18.0)])
def test_depth_error_grows_with_the_square_of_distance(distance_m, expected_mm):
    slope = np.linspace(0.97, 1.03, 640) * distance_m
    true = np.tile(slope, (480, 1))
    measured = sensor.measured_depth_mm(np.random.default_rng(0), true, 525.0)
    error = (measured - 1000 * true)[measured > 0]
    assert error.std() == pytest.approx(expected_mm, rel=0.35)
    assert abs(error.mean()) < 0.3 * expected_mm


def test_depth_is_missing_where_a_sensor_cannot_see():
    depth = np.full((480, 640), 2.0)
    depth[:, 320:] = 3.0
    depth[:100] = 8.5
    measured = sensor.measured_depth_mm(np.random.default_rng(0), depth, 525.0)
    assert (measured[:100] == 0).all()
    assert (measured[200, 316:324] == 0).any()
    assert (measured[200, :300] > 0).all()
    assert (measured[200, 340:] > 0).all()
    v = np.arange(480)[:, None] - 239.5
    grazing = np.tile(0.05 * 525 / np.maximum(v, 5), (1, 640))
    assert (sensor.measured_depth_mm(np.random.default_rng(0), grazing, 525.0)[260:300] == 0).all()


def test_sensor_is_seeded():
    depth = np.linspace(1, 3, 640 * 480).reshape(480, 640)
    image = np.full((480, 640, 3), 120, np.uint8)
    for draw in (
        lambda seed: sensor.measured_depth_mm(np.random.default_rng(seed), depth, 525.0),
        lambda seed: sensor.camera_picture(np.random.default_rng(seed), image),
    ):
        np.testing.assert_array_equal(draw(1), draw(1))
        assert (draw(1) != draw(2)).any()
    picture = sensor.camera_picture(np.random.default_rng(1), image).astype(float)
    assert picture[200:280, 280:360].std() < 2


def test_detections_name_visible_objects_and_leave_out_specks():
    part_index = np.full((480, 640), -1)
    part_index[10:20, 30:41] = 1
    part_index[20:22, 30:33] = 2
    part_index[100:106, 100:106] = 3
    owners = ["", "red_mug_1", "red_mug_1", "blue_box_1"]
    found = detections(part_index, owners, {"blue_box_1": "blue box", "red_mug_1": "red mug"})
    assert [(d.instance, d.name, d.box_xyxy, d.visible_px) for d in found] == [
        ("red_mug_1", "red mug", (30, 10, 40, 21), 116)
    ]
    assert detections(np.full((480, 640), -1), owners, {"red_mug_1": "red mug"}) == []
    assert MIN_VISIBLE_PX == 40


# Command line


def run_tool(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tools/demo_room"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_list_says_which_pairs_exist_where():
    lines = run_tool("--list").stdout.splitlines()
    assert "red mug          demo heldout" in lines
    assert "yellow mug       heldout" in lines
    assert len(lines) == len(set(DEMO.pairs) | set(HELDOUT.pairs))


def test_unknown_room_is_refused_with_the_known_ones():
    result = run_tool("attic")
    assert result.returncode == 2
    assert "got 'attic', expected demo, heldout or a seed" in result.stderr


# Pictures


@pytest.fixture(scope="module")
def mujoco():
    """MuJoCo with a context to draw in, or a skip that says what is missing."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    module = pytest.importorskip(
        "mujoco", reason="MuJoCo is not installed: pip install --group render"
    )
    try:
        module.Renderer(module.MjModel.from_xml_string("<mujoco/>"), 8, 8).close()
    except Exception as error:
        pytest.skip(f"MuJoCo cannot draw here (apt install libegl1 libgl1-mesa-dri): {error}")
    return module


def painted(mesh: meshes.Mesh):
    painter = Painter([part(mesh, np.full((8, 8, 3), 200, np.uint8), "box")], (10, 10, 10))
    try:
        return painter.view(type(BASE_FROM_CAMERA)(np.eye(3), np.zeros(3)))
    finally:
        painter.close()


@pytest.mark.usefixtures("mujoco")
@pytest.mark.parametrize("pixel", [(319.5, 239.5), (77.3, 64.8), (560.6, 401.2), (120.4, 400.9)])
def test_known_points_appear_where_the_camera_projects_them(pixel):
    # A square facing the camera, turned by 20 degrees so that its edges cross pixels evenly: the
    # centroid of its pixels is the projection of its centre, far finer than one pixel.
    depth = 2.0
    center = CAMERA.unproject(np.array(pixel)) * depth
    a = np.radians(20)
    right, up = (
        0.2 * np.array([np.cos(a), np.sin(a), 0]),
        0.2 * np.array([np.sin(a), -np.cos(a), 0]),
    )
    view = painted(meshes.patch(center - right / 2 - up / 2, right, up))
    rows, columns = np.nonzero(view.part_index == 0)
    assert (columns.mean(), rows.mean()) == pytest.approx(pixel, abs=0.1)
    assert rows.size == pytest.approx((0.2 * CAMERA.fx / depth) ** 2, rel=0.01)
    lit = np.abs(view.color_rgb.astype(float).sum(2) - view.color_rgb[-1, -1].sum()) > 20
    rows, columns = np.nonzero(lit)
    assert (columns.mean(), rows.mean()) == pytest.approx(pixel, abs=0.1)


@pytest.mark.usefixtures("mujoco")
def test_depth_is_planar_z_of_a_slanted_plane():
    normal = np.array([0.4, -0.3, -1.0])
    right = np.cross(normal, [0, 1, 0])
    up = np.cross(normal, right)
    right, up = 8 * right / np.linalg.norm(right), 8 * up / np.linalg.norm(up)
    center = np.array([0.0, 0.0, 2.5])
    view = painted(meshes.patch(center - right / 2 - up / 2, right, up).two_sided())
    pixels = np.stack(np.meshgrid(np.arange(640), np.arange(480)), -1).astype(float)
    expected = center @ normal / (CAMERA.unproject(pixels) @ normal)
    seen = view.part_index >= 0
    assert seen.mean() > 0.99
    np.testing.assert_allclose(view.depth_m[seen], expected[seen], rtol=3e-4)


@pytest.mark.usefixtures("mujoco")
def test_a_frame_agrees_with_itself():
    frame = next(render(DEMO))
    assert frame.color_rgb.shape == (480, 640, 3)
    assert frame.color_rgb.std() > 25
    assert set(np.unique(frame.labels)) <= set(range(len(CLASSES)))
    assert (frame.depth_mm > 0).mean() > 0.9
    assert {found.name for found in frame.detections} >= {"purple bottle", "orange bowl"}
    places = {placed.instance: placed for placed in world_of(DEMO).objects}
    camera_from_world = (frame.world_from_base @ BASE_FROM_CAMERA).inverse()
    for found in frame.detections:
        x0, y0, x1, y1 = found.box_xyxy
        class_name = places[found.instance].class_name
        assert (frame.labels[y0 : y1 + 1, x0 : x1 + 1] == CLASSES.index(class_name)).any()
        if x0 > 0 and x1 < 639 and y0 > 0 and y1 < 479:
            center = camera_from_world.apply(places[found.instance].center_xyz)
            u, v = CAMERA.project(center)
            assert x0 - 3 <= u <= x1 + 3
            assert y0 - 3 <= v <= y1 + 3


# Masks


@pytest.mark.usefixtures("mujoco")
def test_masks_show_what_a_recording_shows(tmp_path):
    recorded = next(render(DEMO))
    first, second = render_masks(DEMO, 2)
    assert (first.name, second.name) == ("demo_000", "demo_001")
    np.testing.assert_array_equal(first.color_rgb, recorded.color_rgb)
    np.testing.assert_array_equal(first.labels, recorded.labels)
    assert (second.labels != first.labels).mean() > 0.3  # half a round further

    write_split(tmp_path, "val", [first, second])
    write_split(tmp_path, "val", [dataclasses.replace(second, name="other")])
    write_labels(tmp_path)
    assert json.loads((tmp_path / "labels.json").read_text()) == list(CLASSES)
    for picture in (first, second):
        image = cv2.imread(str(tmp_path / "val" / f"{picture.name}.jpg"))[..., ::-1]
        mask = cv2.imread(str(tmp_path / "valannot" / f"{picture.name}.png"), cv2.IMREAD_UNCHANGED)
        assert np.abs(image.astype(int) - picture.color_rgb).mean() < 4
        np.testing.assert_array_equal(mask, picture.labels)
    assert len(list((tmp_path / "valannot").iterdir())) == 3


@pytest.mark.parametrize("option", ["--masks", "--captions"])
@pytest.mark.parametrize("rooms", ["0", "-1", "many"])
def test_data_sets_are_of_a_whole_number_of_rooms(option, rooms):
    result = run_tool(f"{option}={rooms}")
    assert result.returncode == 2
    assert f"got '{rooms}', expected a whole number from 1 on" in result.stderr


# Captions


def test_things_are_objects_and_furniture_with_the_colours_that_they_have():
    things = captions.things(DEMO, world_of(DEMO).parts)
    assert len(things) == len(DEMO.furniture) + len(DEMO.items)
    assert things["red_mug_1"] == captions.Thing("mug", "red")
    assert things["sofa"].name == "green sofa"
    assert things["desk"].name == "table"  # of wood, and of the class of tables
    assert things["plant"].name == "plant"  # its pot alone is white


@pytest.mark.usefixtures("mujoco")
def test_captions_name_what_the_masks_show(tmp_path):
    (masked,) = render_masks(DEMO, 1)
    (captioned,) = captions.render_captions(DEMO, 1)
    np.testing.assert_array_equal(captioned.color_rgb, masked.color_rgb)
    for number, thing in captioned.things.items():
        shown = masked.labels[captioned.numbers == number]
        assert set(shown) == {CLASSES.index(thing.kind)}
    nothing = {CLASSES[label] for label in np.unique(masked.labels[captioned.numbers == 0])}
    assert nothing <= {"floor", "wall", "ceiling", "window", "door", "picture"}

    captions.write_split(tmp_path, "val", [captioned])
    numbers = cv2.imread(str(tmp_path / "valthings/demo_000.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(numbers, captioned.numbers)
    assert (tmp_path / "val/demo_000.jpg").is_file()
    said = json.loads((tmp_path / "valthings/demo_000.json").read_text())
    assert set(map(int, said)) == set(np.unique(numbers)) - {0}
    assert {"name": "purple bottle", "color": "purple", "kind": "bottle"} in said.values()
    assert {"name": "cupboard", "kind": "cupboard"} in said.values()


# Rounds


@pytest.mark.usefixtures("mujoco")
def test_rounds_are_seen_by_rgbd_and_a_rectified_pair(tmp_path):
    pytest.importorskip("rclpy", reason="writing a bag needs ROS: ./run test")
    from demo_room.rounds import LEFT, RIGHT, render_rounds, write_rounds_bag
    from embodied_perception.bags import BagReader
    from embodied_perception.camera import baseline_m
    from embodied_perception.features import detect_corners
    from embodied_perception.features.rows import disparities

    frames = list(render_rounds(DEMO, rounds=2, frames=1))
    first, second = frames
    np.testing.assert_array_equal(first.world_from_base.matrix, second.world_from_base.matrix)
    assert (first.left_rgb != second.left_rgb).any()
    assert second.stamp_ns - first.stamp_ns == round(1e9 / 15)
    left = cv2.cvtColor(first.left_rgb, cv2.COLOR_RGB2GRAY)
    right = cv2.cvtColor(first.right_rgb, cv2.COLOR_RGB2GRAY)
    # An ideal pair is rectified as it is: what depth says is what the rows of both pictures say.
    np.testing.assert_allclose(LEFT.P[:, :3], CAMERA.K)
    corners = detect_corners(left, 200, spacing_px=14.0)
    at = np.rint(corners).astype(int)
    depth_m = first.depth_mm[at[:, 1], at[:, 0]] / 1000.0
    seen_m = CAMERA.fx * baseline_m(LEFT, RIGHT) / disparities(left, right, corners)
    known = (depth_m > 0) & np.isfinite(seen_m)
    ratio = seen_m[known] / depth_m[known]
    assert len(ratio) > 100
    assert np.median(ratio) == pytest.approx(1, abs=0.01)

    bag_files = [tmp_path / name for name in ("a.mcap", "b.mcap")]
    write_rounds_bag(bag_files[0], iter(frames))
    write_rounds_bag(bag_files[1], render_rounds(DEMO, rounds=2, frames=1))
    assert bag_files[0].read_bytes() == bag_files[1].read_bytes()
    with BagReader(bag_files[0]) as bag:
        counts = {topic: info.count for topic, info in bag.topics.items()}
        assert counts.pop("/tf_static") == 1
        assert counts == dict.fromkeys(
            [
                "/ground_truth/odom",
                "/camera/depth/image_raw/compressedDepth",
                *(f"/camera/{name}/image_raw/compressed" for name in ("color", "left", "right")),
                *(f"/camera/{name}/camera_info" for name in ("color", "depth", "left", "right")),
            ],
            2,
        )
        (*_, (_, _, static)) = bag.messages(["/tf_static"])
        places = {edge.child_frame_id: edge.transform.translation for edge in static.transforms}
        right_y, left_y = (places[f"camera_{side}_optical_frame"].y for side in ("right", "left"))
        assert right_y - left_y == pytest.approx(-0.12)


@pytest.mark.parametrize("rounds", ["0", "-1", "two", "1.5"])
def test_rounds_are_a_whole_number(rounds):
    result = run_tool(f"--rounds={rounds}")
    assert result.returncode == 2
    assert f"got '{rounds}', expected a whole number from 1 on" in result.stderr


# The committed recording


@pytest.fixture(scope="module")
def recording():
    pytest.importorskip("rclpy", reason="reading a bag needs ROS: ./run test")
    pytest.importorskip("vision_msgs.msg", reason="reading the bag needs vision_msgs: ./run test")
    from embodied_perception.bags import BagReader

    with BagReader(BAG) as bag:
        yield bag


def test_recording_is_small_and_whole(recording):
    assert BAG.stat().st_size <= 15_000_000
    every_frame = {
        "/camera/color/image_raw/compressed",
        "/camera/color/camera_info",
        "/camera/depth/image_raw/compressedDepth",
        "/camera/depth/camera_info",
        "/ground_truth/odom",
        "/ground_truth/objects",
        "/ground_truth/labels/compressed",
    }
    once = {"/tf_static", "/ground_truth/label_info", "/ground_truth/places"}
    assert {name: info.count for name, info in recording.topics.items()} == {
        **dict.fromkeys(every_frame, FRAMES),
        **dict.fromkeys(once, 1),
    }
    assert {name for name, info in recording.topics.items() if info.latched} == once


def test_recording_names_places_and_shows_every_object(recording):
    messages = list(recording.messages(["/ground_truth/places", "/ground_truth/objects"]))
    places = next(message for topic, _, message in messages if topic.endswith("places"))
    expected = {placed.instance: placed for placed in world_of(DEMO).objects}
    assert {d.id: d.results[0].hypothesis.class_id for d in places.detections} == {
        placed.instance: placed.name for placed in expected.values()
    }
    for detection in places.detections:
        position = detection.bbox.center.position
        expected_xyz = expected[detection.id].center_xyz
        np.testing.assert_allclose([position.x, position.y, position.z], expected_xyz, atol=1e-6)
    frames_seen = dict.fromkeys(expected, 0)
    for topic, _, message in messages:
        if topic.endswith("objects"):
            for detection in message.detections:
                frames_seen[detection.id] += 1
    assert min(frames_seen.values()) >= 15, frames_seen


def test_recorded_poses_are_the_path(recording):
    poses = world_from_base(DEMO.orbit)
    for pose, (_, _, message) in zip(
        poses, recording.messages(["/ground_truth/odom"]), strict=True
    ):
        assert (message.header.frame_id, message.child_frame_id) == ("world", "base_link")
        position = message.pose.pose.position
        np.testing.assert_allclose([position.x, position.y, position.z], pose.translation)
