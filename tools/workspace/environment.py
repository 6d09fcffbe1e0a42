"""The ROS in use, and the environment variables for whatever runs in the workspace."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workspace.layout import Layout


@dataclass(frozen=True)
class SourcedRos:
    """A ROS that the user has sourced."""

    distro: str
    prefixes: tuple[Path, ...]

    @classmethod
    def find(cls, layout: Layout, environ: Mapping[str, str]) -> SourcedRos | None:
        """Return the ROS that ``environ`` speaks of, or None; what we built is no part of it."""
        distro, path = environ.get("ROS_DISTRO"), environ.get("AMENT_PREFIX_PATH", "")
        entries = [Path(entry) for entry in path.split(os.pathsep) if entry]
        prefixes = tuple(entry for entry in entries if entry != layout.install)
        return cls(distro, prefixes) if distro and prefixes else None

    def has_package(self, name: str) -> bool:
        """Whether one of its prefixes holds the package."""
        marker = Path("share/ament_index/resource_index/packages", name)
        return any((prefix / marker).exists() for prefix in self.prefixes)


def run_environment(
    layout: Layout, environ: Mapping[str, str], ros: SourcedRos | None
) -> dict[str, str]:
    """Return ``environ`` with the workspace in front."""
    result = dict(environ)
    result.pop("PYTHONHOME", None)

    def prepend(name: str, entries: Iterable[Path]) -> None:
        first = [str(entry) for entry in entries]
        rest = [part for part in result.get(name, "").split(os.pathsep) if part]
        result[name] = os.pathsep.join(dict.fromkeys(first + rest))

    prefixes = [layout.install] if ros else [layout.install, layout.venv]
    prepend("AMENT_PREFIX_PATH", prefixes)
    prepend("CMAKE_PREFIX_PATH", prefixes)
    prepend("PATH", [layout.install / "lib" / "embodied_perception", layout.venv / "bin"])
    # The library comes from its sources, so that an edit takes effect without a build.
    installed = (
        *layout.install.glob("lib/python*/site-packages"),
        *layout.install.glob("local/lib/python*/dist-packages"),
    )
    prepend("PYTHONPATH", [layout.library, *installed])
    libraries = [layout.install / "lib"]
    if not ros:
        # The wheels' start-up hook would add these and run Python anew; with the guard set it
        # does neither.
        bundled = sorted(layout.venv.glob("lib/python*/site-packages/ros_*.libs"))
        libraries += [layout.venv / "lib", *bundled]
        result["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
    prepend("LD_LIBRARY_PATH", libraries)

    result["VIRTUAL_ENV"] = str(layout.venv)
    result["COLCON_DEFAULTS_FILE"] = str(layout.state / "colcon-defaults.yaml")
    result["COLCON_LOG_PATH"] = str(layout.log / "colcon")
    local_only = (
        ("ROS_LOCALHOST_ONLY", "1")
        if ros and ros.distro == "humble"
        else ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    )
    result.setdefault(*local_only)
    # Raw images do not fit into the shared memory that Fast DDS takes by default.
    result.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(layout.root / "config/fastdds.xml"))
    return result


def entry_point(module: str, function: str) -> list[str]:
    """Return the command for a tool of the environment's Python, even where it is the system's.

    The current folder is no place to import from: its launch/ would pass for ROS's package.
    """
    code = (
        f"import sys; sys.path[:] = filter(None, sys.path); "
        f"from {module} import {function}; sys.exit({function}())"
    )
    return ["python", "-c", code]


def write_colcon_defaults(layout: Layout, base_paths: Iterable[Path]) -> None:
    """Write what every colcon command takes for granted in this workspace."""
    sources = {"base-paths": [str(path) for path in base_paths]}
    folders = {
        "build-base": str(layout.build),
        "install-base": str(layout.install),
        "merge-install": True,
    }
    verbs = {
        "build": {
            **sources,
            **folders,
            "metas": [str(layout.root / "colcon.meta")],
            "cmake-args": [f"-DPython3_EXECUTABLE={layout.venv / 'bin' / 'python'}"],
        },
        "test": {**sources, **folders},
        "test-result": {"test-result-base": str(layout.build)},
        "graph": sources,
        "info": sources,
        "list": sources,
    }
    # JSON is YAML, and the standard library can write it.
    path = layout.state / "colcon-defaults.yaml"
    path.write_text(json.dumps(verbs, indent=2), encoding="utf-8")


def quiet_domain_id() -> int:
    """Return a DDS domain in which no one on this machine takes part at the moment.

    The first participant of domain d binds UDP port 7410 + 250 d (DDSI-RTPS 2.5, section
    9.6.2.3); above 101 these ports collide with Linux's ephemeral ones.
    """
    start = os.getpid() % 100
    for offset in range(100):
        domain = 1 + (start + offset) % 100
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain))
            except OSError:
                continue
            return domain
    return 1 + start
