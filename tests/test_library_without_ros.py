"""The library is usable where there is no ROS at all."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import embodied_perception

SCRIPT = """
import importlib, pkgutil, sys

ROS = {
    "rclpy", "sensor_msgs", "nav_msgs", "geometry_msgs", "std_msgs", "cv_bridge", "tf2_msgs",
    "vision_msgs", "diagnostic_msgs", "builtin_interfaces", "rosgraph_msgs",
    "embodied_perception_interfaces", "rcl_interfaces", "lifecycle_msgs", "std_srvs",
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ROS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
try:
    import rclpy
except ModuleNotFoundError:
    pass
else:
    sys.exit("ROS is not hidden")

for part in sys.argv[1:]:
    module = importlib.import_module("embodied_perception." + part)
    print(module.__name__)
    for inner in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
        importlib.import_module(inner.name)
        print(inner.name)
"""


FOLDERS = ["geometry", "camera", "imaging", "features", "odometry", "evaluation"]
#: These import PyTorch.
MODELS = ["inference", "segmentation", "classification"]


def test_library_folders_import_without_ros():
    folders = FOLDERS + (MODELS if find_spec("transformers") and find_spec("torch") else [])
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, "frame", "config", "errors", *folders],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.split())
    root = Path(embodied_perception.__file__).parent
    expected = {
        f"embodied_perception.{folder}.{file.stem}"
        for folder in folders
        for file in (root / folder).glob("*.py")
        if file.stem != "__init__"
    }
    assert expected <= imported
    assert {"embodied_perception.frame", "embodied_perception.config"} <= imported
