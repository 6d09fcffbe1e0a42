"""Quality of service by what a topic carries (REP-2003)."""

from __future__ import annotations

from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

#: Images and calibrations: a late one is worth nothing, so none is sent again.
SENSOR = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT
)
#: A video's packets: each builds upon the ones before, so a whole second of them may wait.
VIDEO = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=60, reliability=ReliabilityPolicy.BEST_EFFORT
)
#: What cameras publish, by the type of the message.
OF_CAMERAS = {
    Image: SENSOR,
    CompressedImage: SENSOR,
    CameraInfo: SENSOR,
    FFMPEGPacket: VIDEO,
    CompressedVideo: VIDEO,
}
#: Results, and transforms that change.
RELIABLE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE
)
#: What holds until it is said anew, by several nodes perhaps: static transforms.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
#: What each message says wholly, for those who come late too: the path, labels.
LAST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
