"""The compiled interfaces: their types are those of Jazzy, and they survive the wire."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory
from embodied_perception_interfaces.msg import OdometryStatus
from embodied_perception_interfaces.srv import MapFile, ResetToPose
from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo
from geometry_msgs.msg import Point, Pose
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.typesys import Stores, get_typestore
from tf2_msgs.action import LookupTransform
from tf2_msgs.msg import TF2Error, TFMessage
from tf2_msgs.srv import FrameGraph
from vision_msgs import msg as vision

FIELDS = {
    "BoundingBox2D": "center=Pose2D size_x=double size_y=double",
    "BoundingBox2DArray": "header=Header boxes=sequence<BoundingBox2D>",
    "BoundingBox3D": "center=Pose size=Vector3",
    "BoundingBox3DArray": "header=Header boxes=sequence<BoundingBox3D>",
    "Classification": "header=Header results=sequence<ObjectHypothesis>",
    "Detection2D": "header=Header results=sequence<ObjectHypothesisWithPose> bbox=BoundingBox2D "
    "id=string",
    "Detection2DArray": "header=Header detections=sequence<Detection2D>",
    "Detection3D": "header=Header results=sequence<ObjectHypothesisWithPose> bbox=BoundingBox3D "
    "id=string",
    "Detection3DArray": "header=Header detections=sequence<Detection3D>",
    "LabelInfo": "header=Header class_map=sequence<VisionClass> threshold=float",
    "ObjectHypothesis": "class_id=string score=double",
    "ObjectHypothesisWithPose": "hypothesis=ObjectHypothesis pose=PoseWithCovariance",
    "Point2D": "x=double y=double",
    "Pose2D": "position=Point2D theta=double",
    "VisionClass": "class_id=uint16 class_name=string",
    "VisionInfo": "header=Header method=string database_location=string database_version=int32",
}


def without_packages(type_name: str) -> str:
    """``sequence<vision_msgs/Detection2D>`` -> ``sequence<Detection2D>``."""
    head, bracket, inner = type_name.partition("<")
    return head.rpartition("/")[2] if not bracket else f"{head}<{without_packages(inner)}"


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_vision_msgs(name: str) -> None:
    fields = getattr(vision, name).get_fields_and_field_types()
    got = " ".join(f"{field}={without_packages(kind)}" for field, kind in fields.items())
    assert got == FIELDS[name]


def test_vision_msgs_has_no_other_messages() -> None:
    names = {name for name in dir(vision) if name[0].isupper()}
    assert names == set(FIELDS)


@pytest.mark.parametrize("name", ["tf2_msgs/msg/TFMessage", "tf2_msgs/msg/TF2Error"])
def test_type_hashes_are_those_of_jazzy(name: str) -> None:
    package, _, stem = name.split("/")
    described = Path(get_package_share_directory(package), "msg", f"{stem}.json")
    if not described.exists():
        pytest.skip("this ROS describes no types (before Iron)")
    hashes = {entry["type_name"]: entry["hash_string"] for entry in
              json.loads(described.read_text())["type_hashes"]}  # fmt: skip
    assert hashes[name] == get_typestore(Stores.ROS2_JAZZY).hash_rihs01(name)


def test_tf2_constants_and_types() -> None:
    assert (TF2Error.NO_ERROR, TF2Error.EXTRAPOLATION_ERROR, TF2Error.TRANSFORM_ERROR) == (0, 3, 6)
    assert TFMessage.get_fields_and_field_types() == {
        "transforms": "sequence<geometry_msgs/TransformStamped>"
    }
    assert FrameGraph.Response.get_fields_and_field_types() == {"frame_yaml": "string"}
    assert list(LookupTransform.Goal.get_fields_and_field_types()) == [
        "target_frame", "source_frame", "source_time", "timeout", "target_time", "fixed_frame",
        "advanced",
    ]  # fmt: skip
    assert LookupTransform.Result.get_fields_and_field_types() == {
        "transform": "geometry_msgs/TransformStamped",
        "error": "tf2_msgs/TF2Error",
    }


def test_detections_survive_the_wire() -> None:
    hypothesis = vision.ObjectHypothesis(class_id="red mug", score=0.75)
    sent = vision.Detection3DArray(
        detections=[
            vision.Detection3D(
                id="7",
                results=[vision.ObjectHypothesisWithPose(hypothesis=hypothesis)],
                bbox=vision.BoundingBox3D(center=Pose(position=Point(x=1.5))),
            )
        ]
    )
    got = deserialize_message(serialize_message(sent), vision.Detection3DArray)
    assert got == sent
    assert got.detections[0].results[0].hypothesis.class_id == "red mug"
    assert got.detections[0].bbox.center.position.x == 1.5


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (
            FFMPEGPacket,
            "header=std_msgs/Header width=int32 height=int32 encoding=string pts=uint64 "
            "flags=uint8 is_bigendian=boolean data=sequence<uint8>",
        ),
        (
            CompressedVideo,
            "timestamp=builtin_interfaces/Time frame_id=string data=sequence<uint8> format=string",
        ),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_packets_of_video(kind: type, fields: str) -> None:
    """Their order matters: the wire has no names."""
    got = " ".join(f"{n}={t}" for n, t in kind.get_fields_and_field_types().items())
    assert got == fields
    sent = kind(data=bytes(range(256)))
    assert deserialize_message(serialize_message(sent), kind) == sent


def test_odometry_status() -> None:
    states = ["INIT", "OK", "DEGRADED", "LOST", "RECOVERED"]
    assert [getattr(OdometryStatus, state) for state in states] == [0, 1, 2, 3, 4]
    sent = OdometryStatus(
        state=OdometryStatus.DEGRADED, state_name="DEGRADED", reason="12 of 30 inliers", epoch=2,
        features_tracked=30, inliers=12, keyframes=5, reprojection_rms_px=1.25,
        scale_known=True, stationary=True,
    )  # fmt: skip
    assert deserialize_message(serialize_message(sent), OdometryStatus) == sent


@pytest.mark.parametrize(
    ("field", "value"), [("state", 256), ("epoch", -1), ("inliers", 1.5), ("reason", 3)]
)
def test_odometry_status_refuses_wrong_values(field: str, value: object) -> None:
    with pytest.raises(AssertionError):
        setattr(OdometryStatus(check_fields=True), field, value)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [(MapFile, {"path": "string"}), (ResetToPose, {"pose": "geometry_msgs/PoseStamped"})],
)
def test_services(kind: type, asked: dict[str, str]) -> None:
    assert kind.Request.get_fields_and_field_types() == asked
    # As std_srvs/Trigger answers.
    answered = {"success": "boolean", "message": "string"}
    assert kind.Response.get_fields_and_field_types() == answered
