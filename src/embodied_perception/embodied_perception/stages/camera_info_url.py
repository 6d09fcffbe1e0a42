"""Where a calibration lies: ``camera_info_url``, as ROS's camera_info_manager reads it."""

from __future__ import annotations

import os
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from embodied_perception.errors import CameraError

DEFAULT_URL = "file://${ROS_HOME}/camera_info/${NAME}.yaml"


def calibration_path(url: str, camera_name: str) -> Path:
    """Return the file that a URL means; it need not be there.

    Args:
        url: ``file:///PATH``, ``package://PACKAGE/PATH`` or a plain path; ``${NAME}`` is the
            camera's name and ``${ROS_HOME}`` the folder of that variable, or ``~/.ros``. Empty
            means :data:`DEFAULT_URL`.
        camera_name: letters, digits and underscores, as it becomes part of a path.

    Raises:
        CameraError: the URL is of another kind, or its package is not installed.

    """
    if not camera_name.replace("_", "a").isalnum():
        raise CameraError(
            f"camera_name: got {camera_name!r}, expected letters, digits and underscores"
        )
    ros_home = os.environ.get("ROS_HOME") or str(Path.home() / ".ros")
    text = (url or DEFAULT_URL).replace("${NAME}", camera_name).replace("${ROS_HOME}", ros_home)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    if scheme.lower() == "file" and rest.startswith("/"):
        return Path(rest)
    package, _, inside = rest.partition("/")
    if scheme.lower() == "package" and package and inside:
        try:
            return Path(get_package_share_directory(package)) / inside
        except (PackageNotFoundError, ValueError, OSError) as error:
            raise CameraError(
                f"camera_info_url: package {package!r} of {url!r} is not installed"
            ) from error
    raise CameraError(
        f"camera_info_url: got {url!r}, expected file:///PATH, package://PACKAGE/PATH or a path"
    )
