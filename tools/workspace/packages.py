"""The colcon packages of the workspace, and what each is made of."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workspace.environment import SourcedRos
from workspace.layout import Layout


@dataclass(frozen=True)
class Package:
    """A package to build: its name, its folder, and the files that its build reads."""

    name: str
    folder: Path
    inputs: tuple[Path, ...]


def find_packages(layout: Layout, ros: SourcedRos | None) -> list[Package]:
    """Return our packages, and those of the underlay that the ROS in use lacks."""
    packages = []
    for manifest in sorted(layout.root.glob("*/*/package.xml")):
        folder = manifest.parent
        name = ElementTree.parse(manifest).getroot().findtext("name", "")  # noqa: S314
        if folder.parent.name == "src":
            # The library runs from its sources: its modules are no inputs of its build.
            modules = folder / name
            inputs = [path for path in files_in(folder) if modules not in path.parents]
            if name == "embodied_perception_bringup":
                inputs += [*files_in(layout.root / "launch"), *files_in(layout.root / "config")]
        elif folder.parent.name == "underlay" and not (ros and ros.has_package(name)):
            inputs = list(files_in(folder))
        else:
            continue
        packages.append(Package(name, folder, tuple(inputs)))
    return packages


def files_in(folder: Path) -> Iterable[Path]:
    """Return the files below a folder, in order, without what tools leave behind."""
    for path in sorted(folder.rglob("*")):
        left_behind = any(
            part == "__pycache__" or part.endswith(".egg-info") for part in path.parts
        )
        if path.is_file() and not left_behind:
            yield path


def fingerprint(*parts: str, files: Iterable[Path] = ()) -> str:
    """Return a digest of strings and of files' names and contents."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for path in files:
        digest.update(f"{path.name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
