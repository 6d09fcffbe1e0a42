"""What the machine must bring: checked before anything is made, told in a line."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

from workspace.environment import SourcedRos
from workspace.layout import Layout, WorkspaceError

NEEDED_BYTES = 3 * 1024**3


def check_machine(layout: Layout, ros: SourcedRos | None) -> None:
    """Raise :class:`WorkspaceError` where something is missing."""
    if not all(map(shutil.which, ("cc", "c++", "make"))):
        raise WorkspaceError(
            "embodied_perception needs a C compiler: sudo apt install build-essential"
        )
    # Debian's name for the packages that belong to this very interpreter.
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not has_ensurepip():
        raise WorkspaceError(
            f"{sys.executable} cannot make virtual environments: sudo apt install {python}-venv"
        )
    if not has_headers():
        raise WorkspaceError(f"{sys.executable} has no headers: sudo apt install {python}-dev")
    if ros and importlib.util.find_spec("rclpy") is None:
        raise WorkspaceError(
            f"ROS 2 {ros.distro} is sourced, but {sys.executable} is not its Python (no rclpy): "
            f"sudo apt install ros-{ros.distro}-ros-base, and leave other environments"
        )
    free_bytes = shutil.disk_usage(layout.root).free
    if free_bytes < NEEDED_BYTES:
        raise WorkspaceError(
            f"{layout.root} has {free_bytes / 1024**3:.1f} GiB free, the set-up needs "
            f"{NEEDED_BYTES / 1024**3:.0f} GiB: free some space and start again"
        )


def has_ensurepip() -> bool:
    """Whether the interpreter can put pip into an environment (Debian ships that apart)."""
    return importlib.util.find_spec("ensurepip") is not None


def has_headers() -> bool:
    """Whether C code can be compiled against the interpreter."""
    return Path(sysconfig.get_path("include"), "Python.h").exists()
