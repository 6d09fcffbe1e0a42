"""Between image messages and OpenCV's arrays: the Python half of ROS's cv_bridge."""

from cv_bridge.core import CvBridge, CvBridgeError

__all__ = ["CvBridge", "CvBridgeError"]
