"""Public datasets as streams of ROS messages.

A format is a module with ``DESCRIPTION``, ``matches(folder)`` and ``open_dataset(folder,
options)``; its line in the table below is all that the rest of the package knows of it.
"""

from __future__ import annotations

from pathlib import Path

from embodied_perception.bags.datasets import euroc, kitti_odometry, seven_scenes, tum_rgbd
from embodied_perception.bags.datasets.dataset import Dataset, DatasetMessage, DatasetOptions
from embodied_perception.errors import BagError

__all__ = ["FORMATS", "Dataset", "DatasetMessage", "DatasetOptions", "detect", "open_dataset"]

FORMATS = {
    "7-scenes": seven_scenes,
    "tum": tum_rgbd,
    "kitti": kitti_odometry,
    "euroc": euroc,
}


def detect(folder: Path) -> str:
    """Return the name of the format of a folder.

    Raises:
        BagError: there is no such folder, or no format knows it.

    """
    if not folder.is_dir():
        raise BagError(f"{folder}: no such folder")
    for name, module in FORMATS.items():
        if module.matches(folder):
            return name
    known = "; ".join(module.DESCRIPTION for module in FORMATS.values())
    raise BagError(f"{folder}: no known dataset; expected one of: {known}")


def open_dataset(folder: Path, options: DatasetOptions, format_name: str | None = None) -> Dataset:
    """Open a folder in the given format, or in the one that it looks like.

    Raises:
        BagError: the folder is not in that format, or its text files cannot be read.

    """
    found = detect(folder) if format_name is None else format_name
    module = FORMATS[found]
    if not module.matches(folder):
        raise BagError(f"{folder}: no {found} dataset; expected {module.DESCRIPTION}")
    return module.open_dataset(folder, options)
