"""Where things lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class WorkspaceError(Exception):
    """What stands in the way, and what mends it, in a line."""


@dataclass(frozen=True)
class Layout:
    """The folders of a workspace; everything that is made lies in ``state``."""

    root: Path

    @property
    def state(self) -> Path:
        """The folder of everything that set-up makes; deleting it undoes the set-up."""
        return self.root / ".ros"

    @property
    def venv(self) -> Path:
        """The virtual environment; without a sourced ROS also the ROS install prefix."""
        return self.state / "venv"

    @property
    def install(self) -> Path:
        """The install prefix of the packages built here."""
        return self.state / "install"

    @property
    def build(self) -> Path:
        """Colcon's build folder."""
        return self.state / "build"

    @property
    def log(self) -> Path:
        """One file for every step of the set-up."""
        return self.state / "log"

    @property
    def library(self) -> Path:
        """The sources of the library, imported from where they are."""
        return self.root / "src" / "embodied_perception"
