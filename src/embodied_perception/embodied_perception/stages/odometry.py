"""Visual odometry on messages: images in, ``odom`` and TF out.

Frames as in REP-105: ``odom`` is where ``base_frame`` was at the first image; it never jumps. What
is learnt when a place is seen again goes to ``map`` -> ``odom``. In a map of another run the robot
is nowhere until it recognises a place: until then there is no ``map`` -> ``odom``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import cv2
import numpy as np
from embodied_perception_interfaces.msg import OdometryStatus
from embodied_perception_interfaces.srv import MapFile, ResetToPose
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry, Path
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

from embodied_perception.camera import Camera
from embodied_perception.config import Config
from embodied_perception.errors import FrameError, OdometryError
from embodied_perception.features.words import Vocabulary
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform, TransformTree
from embodied_perception.odometry import Estimate, VisualOdometry
from embodied_perception.odometry.map_file import read_map, require_same_camera, write_map
from embodied_perception.odometry.places import MapContents, PlaceMap
from embodied_perception.stages.camera_setups import SETUPS, Moment, RgbdSetup, ScaleSource
from embodied_perception.stages.messages import (
    header,
    pose_message,
    require_pose,
    transform_message,
)
from embodied_perception.stages.odometry_config import LABELS, OdometryStageConfig
from embodied_perception.stages.odometry_outputs import (
    draw_features,
    odom_message,
    status_message,
    status_of,
)
from embodied_perception.stages.registration import pose_in
from embodied_perception.stages.stage import (
    ImageInput,
    Output,
    Picture,
    Service,
    Stage,
    Status,
)

_MAPS_NEED = "maps need `places` above 0, and a `mode` other than mono"
#: Of the class in each pixel, such as a segmentation publishes.
MASK = ImageInput(
    "mask",
    "camera/mask",
    content="labels",
    needs_camera_info=False,
    label_info_topic="camera/label_info",
)
_MARGIN_PX = 17  # as large as the window in which features are followed
_PATH_PERIOD_NS = 500_000_000
_PATH_POSES = 2000


class OdometryStage(Stage):
    """Visual odometry with the cameras that ``mode`` says."""

    name = "odometry"
    config_type = OdometryStageConfig
    inputs = RgbdSetup.inputs
    outputs = (
        Output("odom", "odom", Odometry),
        Output("tf", "/tf", TFMessage),
        Output("status", "~/status", OdometryStatus),
        Output("path", "~/path", Path, latched=True, on_demand=True),
        Output("map_pose", "~/map_pose", PoseStamped),
        Output("map_path", "~/map_path", Path, latched=True, on_demand=True),
        Picture("features", "~/features"),
    )
    services = (
        Service("reset", Trigger),
        Service("reset_to_pose", ResetToPose),
        Service("pause", Trigger),
        Service("resume", Trigger),
        Service("save_map", MapFile),
        Service("load_map", MapFile),
    )

    config: OdometryStageConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._odometry: VisualOdometry | None = None
        self._setup = SETUPS[self.config.mode](
            transforms,
            ScaleSource(
                self.config.base_frame, self.config.camera_height_m, self.config.scale_frame
            ),
        )
        self.inputs = self._setup.inputs
        if self.config.moving_labels:
            named = not all(label.isdecimal() for label in self.config.moving_labels)
            mask = MASK if named else replace(MASK, label_info_topic="")
            self.inputs = (*self.inputs, mask)
        self._places: PlaceMap | None = None
        self._loaded: MapContents | None = None
        self._odom_from_start = Transform.identity()  # where the base is at the first image
        self._odom_from_world: Transform | None = None
        self._path: deque[PoseStamped] = deque(maxlen=_PATH_POSES)
        self._path_due_ns = 0
        self._told_loops = 0
        self._is_paused = False
        self._status = Status(Status.WARN, "no images yet")

    @property
    def sync_tolerance_s(self) -> float:
        """The parameter of that name."""
        return self.config.sync_tolerance_s

    def process(self, **frames: Frame) -> dict[str, Any]:
        """Track the images of one time."""
        if self._is_paused:
            return {}
        lead = frames[self.inputs[0].name]
        base_from_lead = self._base_from_lead(lead)
        moment = self._setup.moment(self._moving(lead, frames.pop("mask", None)), **frames)
        base_from_camera = base_from_lead @ moment.lead_from_camera
        estimate = self._tracker(moment.camera).track(moment.image)
        if not estimate.is_metric:
            # In units that are not known, the camera is nowhere but at the base.
            base_from_camera = Transform(base_from_camera.rotation, np.zeros(3))
        self._status = status_of(estimate)
        results: dict[str, Any] = {"status": status_message(estimate, lead)}
        if self.wanted("features"):
            results["features"] = draw_features(moment.picture(), estimate)
        if estimate.world_from_camera is not None:
            odom_from_base = self._odom_from_base(estimate.world_from_camera, base_from_camera)
            child = self.config.base_frame or lead.frame_id
            results |= self._pose_outputs(estimate, odom_from_base, base_from_camera, child)
            self._learn_place(moment, estimate)
            results |= self._map_outputs(lead.stamp_ns, odom_from_base, base_from_camera)
            results |= self._tf(lead.stamp_ns, odom_from_base, child)
        return results

    def reset(self, _request: Trigger.Request | None = None) -> str:
        """Begin anew at the next image, with the robot at the origin, in a new epoch.

        What was learnt is forgotten. A map that was loaded stays, as it was loaded: the robot may
        be anywhere in it.
        """
        self._begin_at(Transform.identity())
        return "odometry starts anew at the next image"

    def reset_to_pose(self, request: ResetToPose.Request) -> str:
        """Begin anew, as :meth:`reset`, with the robot at a pose in ``odom_frame``.

        Raises:
            OdometryError: the pose is in another frame.
            GeometryError: it is none.

        """
        head, expected = request.pose.header, self.config.odom_frame
        if head.frame_id.removeprefix("/") not in ("", expected):
            raise OdometryError(
                f"got a pose in frame {head.frame_id!r}, expected {expected!r} (odom_frame): "
                "transform it first"
            )
        self._begin_at(require_pose(request.pose.pose))
        return "odometry starts at that pose at the next image"

    def pause(self, _request: Trigger.Request | None = None) -> str:
        """Look at no image until :meth:`resume`: nothing is published, and nothing computed."""
        self._is_paused = True
        self._status = Status(Status.WARN, "paused; call ~/resume")
        return "paused"

    def resume(self, _request: Trigger.Request | None = None) -> str:
        """Go on from where odometry was; where the view is another one, it says that it is lost."""
        self._is_paused = False
        return "odometry goes on at the next image"

    def save_map(self, request: MapFile.Request) -> str:
        """Write the places that are known, and where they are in ``map_frame``, to a file.

        Raises:
            OdometryError: there is no map, it hangs in the air, or it cannot be written.

        """
        path = _path(request)
        if self._places is None:
            raise OdometryError(f"there is no map yet: it begins with the first pose; {_MAPS_NEED}")
        contents = self._places.contents()
        write_map(path, contents, self._places.vocabulary)
        return f"{len(contents.places)} places written to {path}"

    def load_map(self, request: MapFile.Request) -> str:
        """Go on with the map of a file, in place of what was learnt; ``odom`` goes on as it was.

        Before the first image the camera is not known. A map that turns out to be of another one
        waits until its own comes; the status says so.

        Raises:
            OdometryError: the file cannot be used; nothing changes then.

        """
        path = _path(request)
        if not self.config.places or self.config.mode == "mono":
            raise OdometryError(f"no places are kept, so none is recognised; {_MAPS_NEED}")
        contents = read_map(path, self.config, Vocabulary.load())
        if self._odometry is not None:
            require_same_camera(contents, self._odometry.camera)
        self._loaded, self._places, self._told_loops = contents, None, 0
        return f"{len(contents.places)} places of {path}; the robot is in them once it sees one"

    def restart(self) -> str:
        """Time went back: what was tracked is of another time."""
        return self.reset()

    def status(self) -> Status:
        """The tracking state, what the map holds, and where it is from."""
        places = self._places
        values = {
            "places": str(len(places) if places else 0),
            "loops": str(places.loops if places else 0),
        }
        if self._loaded is not None:
            values["map"] = "loaded, not localised yet"
            if places is not None and not places.is_of_another_run:
                values["map"] = "of this run: the one that was loaded is of another camera"
            elif places is not None and places.map_from_world is not None:
                values["map"] = "localised"
        return replace(self._status, values=self._status.values | values)

    def _begin_at(self, odom_from_base: Transform) -> None:
        """Forget what was tracked and learnt; the next image is taken from there."""
        if self._odometry is not None:
            self._odometry.reset()
        self._odom_from_start = odom_from_base
        self._odom_from_world = self._places = None
        self._told_loops = 0
        self._path.clear()
        self._path_due_ns = 0

    def _tracker(self, camera: Camera) -> VisualOdometry:
        if self._odometry is None:
            self._odometry = VisualOdometry(camera, self.config)
        if not self._odometry.camera.same_view(camera):
            self.reset()
            self._odometry.camera = camera
        self._odometry.config = self.config
        return self._odometry

    def _moving(self, lead: Frame, mask: Frame | None) -> np.ndarray | None:
        """What (H, W) moves by itself, with what is too near to it to be told from it."""
        if mask is None:
            return None
        if mask.labels.shape != lead.gray.shape:
            raise FrameError(
                "SIZE_MISMATCH",
                f"the mask has shape {mask.labels.shape}, its image {lead.gray.shape}: publish it "
                "at the size of the image",
            )
        moves = np.zeros(LABELS, bool)
        moves[[_class_number(mask, label) for label in self.config.moving_labels]] = True
        moving = moves[mask.labels].view(np.uint8)
        return cv2.dilate(moving, np.ones((_MARGIN_PX, _MARGIN_PX), np.uint8)).view(np.bool_)

    def _base_from_lead(self, lead: Frame) -> Transform:
        if not self.config.base_frame:
            return Transform.identity()
        return pose_in(self.config.base_frame, lead, self.transforms)

    def _odom_from_base(
        self, world_from_camera: Transform, base_from_camera: Transform
    ) -> Transform:
        if self._odom_from_world is None:
            odom_from_camera = self._odom_from_start @ base_from_camera
            self._odom_from_world = odom_from_camera @ world_from_camera.inverse()
        return self._odom_from_world @ world_from_camera @ base_from_camera.inverse()

    def _learn_place(self, moment: Moment, estimate: Estimate) -> None:
        """Keep what is seen where it is new; correct the map where it was seen before."""
        if not self.config.places or not moment.image.has_depth:
            return
        if self._places is None:
            self._places = self._map_for(moment.camera)
        self._places.config = self.config
        if self._places.is_new(estimate):
            self._places.add(moment.image, estimate)
        self._places.settle()

    def _map_for(self, camera: Camera) -> PlaceMap:
        """The map that was loaded, if it is of this camera; else one that begins where odom is."""
        vocabulary = Vocabulary.load()
        if self._loaded is not None and self._loaded.camera.same_view(camera):
            return PlaceMap.go_on(self._loaded, self.config, vocabulary)
        return PlaceMap(camera, self.config, vocabulary, self._odom_from_world)

    @property
    def _map_from_odom(self) -> Transform | None:
        """The correction; ``None`` where there is no map, or the robot is nowhere in it."""
        places, odom_from_world = self._places, self._odom_from_world
        if places is None or places.map_from_world is None or odom_from_world is None:
            return None
        return places.map_from_world @ odom_from_world.inverse()

    def _map_outputs(
        self, stamp_ns: int, odom_from_base: Transform, base_from_camera: Transform
    ) -> dict[str, Any]:
        map_from_odom = self._map_from_odom
        if self._places is None or map_from_odom is None:
            return {}
        head = header(stamp_ns, self.config.map_frame)
        pose = pose_message(map_from_odom @ odom_from_base)
        results: dict[str, Any] = {"map_pose": PoseStamped(header=head, pose=pose)}
        if self._places.loops != self._told_loops and self.wanted("map_path"):
            self._told_loops = self._places.loops
            camera_from_base = base_from_camera.inverse()
            poses = [
                PoseStamped(
                    header=header(seen_ns, self.config.map_frame),
                    pose=pose_message(map_from_camera @ camera_from_base),
                )
                for seen_ns, map_from_camera in self._places.trajectory()
            ]
            results["map_path"] = Path(header=head, poses=poses)
        return results

    def _tf(self, stamp_ns: int, odom_from_base: Transform, child: str) -> dict[str, Any]:
        config, edges = self.config, []
        if config.publish_tf:
            edges.append((odom_from_base, config.odom_frame, child))
        map_from_odom = self._map_from_odom
        if config.publish_map_tf and map_from_odom is not None:
            edges.append((map_from_odom, config.map_frame, config.odom_frame))
        if not edges:
            return {}
        return {"tf": TFMessage(transforms=[transform_message(*edge, stamp_ns) for edge in edges])}

    def _pose_outputs(
        self,
        estimate: Estimate,
        odom_from_base: Transform,
        base_from_camera: Transform,
        child: str,
    ) -> dict[str, Any]:
        frame, stamp_ns = self.config.odom_frame, estimate.stamp_ns
        moved_m = odom_from_base.translation - self._odom_from_start.translation
        odom = odom_message(estimate, odom_from_base, base_from_camera, moved_m, frame, child)
        results: dict[str, Any] = {"odom": odom}
        pose = PoseStamped(header=header(stamp_ns, frame), pose=pose_message(odom_from_base))
        self._path.append(pose)
        if stamp_ns >= self._path_due_ns and self.wanted("path"):
            self._path_due_ns = stamp_ns + _PATH_PERIOD_NS
            results["path"] = Path(header=header(stamp_ns, frame), poses=list(self._path))
        return results


def _path(request: MapFile.Request) -> FilePath:
    if not request.path:
        raise OdometryError("path is empty; give the name of a file")
    return FilePath(request.path).absolute()


def _class_number(mask: Frame, label: str) -> int:
    """The number of a class in a mask.

    Raises:
        FrameError: the mask has no class of that name.

    """
    if label.isdecimal():
        return int(label)
    if label not in mask.class_numbers:
        raise FrameError(
            "UNKNOWN_CLASS",
            f"moving_labels: the mask has no class {label!r}; it has: "
            f"{', '.join(mask.class_numbers)}",
        )
    return mask.class_numbers[label]
