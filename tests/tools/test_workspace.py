"""./run and its set-up: what it says where something is missing, and what it does not do twice."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from workspace import checks, cli, environment, packages, progress, setup  # noqa: E402
from workspace.environment import SourcedRos, run_environment  # noqa: E402
from workspace.layout import Layout, WorkspaceError  # noqa: E402

HUMBLE = SourcedRos("humble", (Path("/opt/ros/humble"),))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A workspace with one package of each kind."""
    for folder in ("underlay/vision_msgs", "src/embodied_perception", "src/embodied_perception_x"):
        (tmp_path / folder).mkdir(parents=True)
        name = Path(folder).name
        (tmp_path / folder / "package.xml").write_text(f"<package><name>{name}</name></package>")
    (tmp_path / "src/embodied_perception/embodied_perception").mkdir()
    (tmp_path / "src/embodied_perception/embodied_perception/frame.py").write_text("")
    return Layout(tmp_path)


def start(
    root: Path, folder: Path, tools: dict[str, str], *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run ``root``/run with nothing on PATH but ``tools``, each a shell script or a real file."""
    folder.mkdir()
    for name in ("sh", "cat", "dirname", "sort", "paste"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, content in tools.items():
        if content.startswith("/"):
            (folder / name).write_text(f'#!/bin/sh\nexec {content} "$@"\n')
        else:
            (folder / name).write_text(f"#!/bin/sh\n{content}\n")
        (folder / name).chmod(0o755)
    command = [str(root / "run"), *arguments]
    env = {"PATH": str(folder), **more}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of ./run and its tools alone: a set-up that got past the checks would fail at once."""
    root = tmp_path / "clone"
    (root / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "run", root)
    shutil.copytree(ROOT / "tools" / "workspace", root / "tools" / "workspace")
    return root


BASE_PYTHON = str(getattr(sys, "_base_executable", sys.executable))


def test_no_python_at_all(clone: Path, tmp_path: Path) -> None:
    result = start(clone, tmp_path / "bin", {}, "setup")
    assert result.returncode == 1
    assert result.stderr == (
        "embodied_perception needs Python 3.10 to 3.13; found: none; "
        "install one: sudo apt install python3 python3-venv python3-dev\n"
    )


def test_wrong_pythons_are_named_and_stubs_passed_over(clone: Path, tmp_path: Path) -> None:
    tools = {
        "python3": '[ "$1" = --version ] && echo Python 3.9.2; exit 1',
        "python3.12": "echo 'command not found' >&2; exit 127",  # as version managers leave them
    }
    result = start(clone, tmp_path / "bin", tools, "setup")
    assert result.returncode == 1
    assert "found: Python 3.9.2; install one: sudo apt install python3" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_stub_does_not_hide_a_python_that_works(clone: Path, tmp_path: Path) -> None:
    tools = {"python3.13": "exit 127", "python3": BASE_PYTHON}
    result = start(clone, tmp_path / "bin", tools, "--help")
    assert result.returncode == 0
    assert result.stdout == cli.HELP


def test_old_python_says_so_itself() -> None:
    source = (ROOT / "tools/workspace/__main__.py").read_text()
    faked = "import sys; sys.version_info = (3, 9)\n"
    run = [sys.executable, "-c", f"{faked}__file__ = 'x'\n{source}"]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "embodied_perception needs Python 3.10 to 3.13; this is Python 3.9\n"


def test_no_compiler(clone: Path, tmp_path: Path) -> None:
    result = start(clone, tmp_path / "bin", {"python3": BASE_PYTHON}, "setup")
    assert result.returncode == 1
    assert result.stderr == (
        "./run: embodied_perception needs a C compiler: sudo apt install build-essential\n"
    )


def test_a_ros_whose_python_is_another_one(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(checks, "has_ensurepip", lambda: True)
    monkeypatch.setattr(checks, "has_headers", lambda: True)
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(WorkspaceError, match=r"ROS 2 humble is sourced, but .* \(no rclpy\)"):
        checks.check_machine(layout, HUMBLE)


@pytest.mark.parametrize(
    ("missing", "package"), [("has_ensurepip", "venv"), ("has_headers", "dev")]
)
def test_missing_parts_of_python(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, missing: str, package: str
) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda name: f"/usr/bin/{name}")
    for name in ("has_ensurepip", "has_headers"):
        monkeypatch.setattr(checks, name, lambda name=name: name != missing)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(WorkspaceError, match=f"sudo apt install python{version}-{package}$"):
        checks.check_machine(layout, None)


def test_little_disk(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(layout.root)._replace(free=512 * 1024**2)
    monkeypatch.setattr(checks.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(checks, "has_ensurepip", lambda: True)
    monkeypatch.setattr(checks, "has_headers", lambda: True)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WorkspaceError, match=r"has 0\.5 GiB free, the set-up needs 3 GiB"):
        checks.check_machine(layout, None)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            "WARNING: Retrying ... NewConnectionError('... [Errno 101] Network is unreachable')\n"
            "ERROR: No matching distribution found for rich>=13\n",
            "Python packages: no network: pip cannot reach its package index; see {log}",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on "
            "device\n",
            "Python packages: the disk is full; free some space and start again; see {log}",
        ),
    ],
)
def test_known_failures_in_a_line(tmp_path: Path, output: str, expected: str) -> None:
    log = tmp_path / "packages.log"
    log.write_text(output)
    assert progress.explain("Python packages", log) == expected.format(log=log)


def test_unknown_failures_show_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    script = "for i in $(seq 40); do echo line $i; done; exit 3"
    with pytest.raises(WorkspaceError) as failure, progress.Step("build", log) as step:
        step.command(["sh", "-c", script], os.environ, tmp_path)
    lines = str(failure.value).splitlines()
    assert lines[0] == f"build failed; the end of {log}:"
    assert lines[1:] == [f"  line {i}" for i in range(26, 41)]


def test_steps_tell_their_progress_in_plain_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.Step("build", tmp_path / "log") as step:
        step.command(["sh", "-c", "echo compiled"], os.environ, tmp_path)
    assert capsys.readouterr().err == "build ...\n✓ build  0 s\n"
    assert progress.last_line(tmp_path / "log") == "compiled"


def test_sourced_ros(layout: Layout, tmp_path: Path) -> None:
    index = tmp_path / "ros/share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "vision_msgs").touch()
    path = f"{layout.install}:{tmp_path}/ros"
    ros = SourcedRos.find(layout, {"ROS_DISTRO": "kilted", "AMENT_PREFIX_PATH": path})
    assert ros == SourcedRos("kilted", (tmp_path / "ros",))
    assert ros.has_package("vision_msgs")
    assert not ros.has_package("cv_bridge")
    names = [package.name for package in packages.find_packages(layout, ros)]
    assert names == ["embodied_perception", "embodied_perception_x"]


@pytest.mark.parametrize("environ", [{}, {"ROS_DISTRO": "jazzy"}, {"AMENT_PREFIX_PATH": "/opt"}])
def test_no_sourced_ros(layout: Layout, environ: dict[str, str]) -> None:
    assert SourcedRos.find(layout, environ) is None


def test_our_own_environment_is_no_sourced_ros(layout: Layout) -> None:
    env = run_environment(layout, {}, None)
    assert SourcedRos.find(layout, env) is None


def test_environment_without_ros(layout: Layout) -> None:
    bundled = layout.venv / "lib/python3.11/site-packages/ros_rcl.libs"
    installed = layout.install / "lib/python3.11/site-packages"
    for folder in (bundled, installed):
        folder.mkdir(parents=True)
    env = run_environment(layout, {"PATH": "/usr/bin", "PYTHONHOME": "/else"}, None)
    assert env["AMENT_PREFIX_PATH"] == f"{layout.install}:{layout.venv}"
    assert env["PYTHONPATH"] == f"{layout.library}:{installed}"
    assert env["LD_LIBRARY_PATH"] == f"{layout.install}/lib:{layout.venv}/lib:{bundled}"
    assert env["PATH"] == f"{layout.install}/lib/embodied_perception:{layout.venv}/bin:/usr/bin"
    assert env["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] == "1"
    assert env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert "PYTHONHOME" not in env
    assert "RMW_IMPLEMENTATION" not in env
    assert "ROS_DOMAIN_ID" not in env
    assert run_environment(layout, env, None) == env  # a shell in a shell changes nothing


def test_environment_on_a_sourced_ros(layout: Layout) -> None:
    sourced = {"AMENT_PREFIX_PATH": "/opt/ros/humble", "LD_LIBRARY_PATH": "/opt/ros/humble/lib"}
    env = run_environment(layout, sourced, HUMBLE)
    assert env["AMENT_PREFIX_PATH"] == f"{layout.install}:/opt/ros/humble"
    assert env["LD_LIBRARY_PATH"] == f"{layout.install}/lib:/opt/ros/humble/lib"
    assert env["ROS_LOCALHOST_ONLY"] == "1"
    assert "_ROS_WHEELS_BOOTSTRAP_COMPLETE" not in env


def test_the_users_discovery_range_stays(layout: Layout) -> None:
    env = run_environment(layout, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, None)
    assert env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"


def test_tests_avoid_a_domain_in_use() -> None:
    first = environment.quiet_domain_id()
    assert 1 <= first <= 100
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 7410 + 250 * first))
        assert environment.quiet_domain_id() != first


def test_only_a_changed_package_is_stale(layout: Layout) -> None:
    def digests() -> dict[str, str]:
        found = packages.find_packages(layout, None)
        return {package.name: packages.fingerprint(files=package.inputs) for package in found}

    before = digests()
    assert set(before) == {"embodied_perception", "embodied_perception_x", "vision_msgs"}
    (layout.library / "embodied_perception/frame.py").write_text("changed")  # run from its source
    (layout.root / "src/embodied_perception_x/__pycache__").mkdir()
    (layout.root / "src/embodied_perception_x/__pycache__/x.pyc").write_text("left behind")
    assert digests() == before
    (layout.root / "underlay/vision_msgs/New.msg").write_text("int8 x")
    after = digests()
    assert {name for name in after if after[name] != before[name]} == {"vision_msgs"}


def test_every_package_of_the_repository_is_found() -> None:
    names = [package.name for package in packages.find_packages(Layout(ROOT), None)]
    assert names == [
        "embodied_perception", "embodied_perception_bringup", "embodied_perception_interfaces",
        "cv_bridge", "ffmpeg_image_transport_msgs", "foxglove_msgs", "tf2_msgs",
        "tf_transformations", "vision_msgs",
    ]  # fmt: skip


def test_set_up_does_each_step_once(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def make_environment(*_: object) -> None:
        done.append("environment")
        layout.venv.mkdir(exist_ok=True)

    def build(*arguments: object) -> None:
        for package in arguments[-1]:
            done.append(package.name)
            (layout.install / "share" / package.name).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(setup, "make_environment", make_environment)
    monkeypatch.setattr(setup, "install_packages", lambda *_: done.append("packages"))
    monkeypatch.setattr(setup, "build", build)
    pyproject = layout.root / "pyproject.toml"
    pyproject.write_text("[dependency-groups]\nros = ['a']\n[tool.x]\n")
    every = ["embodied_perception", "embodied_perception_x", "vision_msgs"]

    def steps() -> list[str]:
        done.clear()
        setup.set_up(layout, {}, None)
        return done

    assert steps() == ["environment", "packages", *every]
    assert steps() == []
    (layout.root / "underlay/vision_msgs/New.msg").write_text("int8 x")
    assert steps() == ["vision_msgs"]
    pyproject.write_text("[dependency-groups]\nros = ['a']\n[tool.y]\n")
    assert steps() == []
    pyproject.write_text("[dependency-groups]\nros = ['b']\n[tool.y]\n")
    assert steps() == ["packages", *every]
    shutil.rmtree(layout.install)
    assert steps() == every
    (layout.state / "fingerprints.json").write_text("{ cut off")
    assert steps() == ["environment", "packages", *every]


def test_a_step_that_failed_is_done_again(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    (layout.root / "pyproject.toml").write_text("[dependency-groups]\n")
    monkeypatch.setattr(setup, "make_environment", lambda *_: layout.venv.mkdir())

    def fail(*_: object) -> None:
        raise WorkspaceError("no network")

    monkeypatch.setattr(setup, "install_packages", fail)
    for _ in range(2):
        with pytest.raises(WorkspaceError, match="no network"):
            setup.set_up(layout, {}, None)


def test_an_interrupted_build_is_done_again(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layout.root / "pyproject.toml").write_text("[dependency-groups]\n")
    message = layout.root / "underlay/vision_msgs/New.msg"
    message.write_text("int8 x")
    built: list[list[str]] = []

    def build(*arguments: object) -> None:
        built.append([package.name for package in arguments[-1]])
        for name in built[-1]:
            (layout.install / "share" / name).mkdir(parents=True, exist_ok=True)
        if message.read_text() == "int16 x":
            raise KeyboardInterrupt

    monkeypatch.setattr(setup, "make_environment", lambda *_: layout.venv.mkdir())
    monkeypatch.setattr(setup, "install_packages", lambda *_: None)
    monkeypatch.setattr(setup, "build", build)
    setup.set_up(layout, {}, None)
    message.write_text("int16 x")
    with pytest.raises(KeyboardInterrupt):
        setup.set_up(layout, {}, None)
    message.write_text("int8 x")  # as it was; but what is installed may not be
    setup.set_up(layout, {}, None)
    assert built[1:] == [["vision_msgs"], ["vision_msgs"]]


def with_pip(layout: Layout, script: str) -> Path:
    """A workspace whose pip is a script; returns the file where it notes its arguments."""
    (layout.root / "pyproject.toml").write_text("[dependency-groups]\nmore = ['a']\npeers-x = []\n")
    pip = layout.venv / "bin" / "pip"
    pip.parent.mkdir(parents=True)
    noted = layout.root / "noted"
    pip.write_text(f'#!/bin/sh\necho "$*" >>{noted}\n{script}\n')
    pip.chmod(0o755)
    return noted


def test_an_optional_group_is_installed_once_with_what_is_there(layout: Layout) -> None:
    noted = with_pip(layout, "exit 0")
    for _ in range(2):
        setup.install_optional(layout, os.environ, "more", "more")
    expected = "install --group library --group build --group test --group more\n"
    assert noted.read_text() == expected
    pyproject = layout.root / "pyproject.toml"
    pyproject.write_text("[dependency-groups]\nmore = ['b']\n")
    setup.install_optional(layout, os.environ, "more", "more")
    assert noted.read_text() == 2 * expected


def test_a_group_that_cannot_be_installed_is_an_error_but_peers_are_none(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    noted = with_pip(layout, "echo 'Could not fetch: Network is unreachable' >&2; exit 1")
    for _ in range(2):
        with pytest.raises(WorkspaceError, match="more: no network: pip cannot reach"):
            setup.install_optional(layout, os.environ, "more", "more")
    setup.install_peers(layout, os.environ, "x")
    setup.install_peers(layout, os.environ, "without_peers")
    assert noted.read_text().count("\n") == 3
    assert "peers of x: no network" in capsys.readouterr().err


def test_one_set_up_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def second() -> None:
        with setup.locked(tmp_path / "lock"):
            order.append("second")

    with setup.locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=0.2)
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]
    assert capsys.readouterr().err == "waiting for another set-up of this workspace to end\n"


def test_paths_of_the_wheels_build_machine_are_mended(tmp_path: Path) -> None:
    cmake = tmp_path / "share/x/cmake/x.cmake"
    cmake.parent.mkdir(parents=True)
    cmake.write_text(
        'A "/opt/python/cp311-cp311/include/python3.11;'
        '/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"'
    )
    setup.mend_build_machine_paths(tmp_path)
    include = setup.sysconfig.get_path("include")
    numpy = f"{tmp_path}/lib/python3.11/site-packages/numpy/_core/include"
    assert cmake.read_text() == f'A "{include};{numpy}"'


def test_dependency_groups_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.x]\n")
    with pytest.raises(WorkspaceError, match=r"has no \[dependency-groups\]"):
        setup.dependency_groups(tmp_path / "pyproject.toml")


def test_unknown_commands_and_benchmarks_name_the_known_ones(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["fly"]) == 1
    assert "unknown command 'fly'; known: demo, test, perception," in capsys.readouterr().err
    (layout.root / "benchmarks").mkdir()
    for name in ("odometry.py", "latency.py", "_shared.py"):
        (layout.root / "benchmarks" / name).touch()
    with pytest.raises(WorkspaceError, match=r"got fly, expected one of: latency, odometry$"):
        cli.benchmark(layout, ["fly"])
    assert cli.benchmark(layout, ["odometry", "--no-peers"]) == [
        str(layout.root / "benchmarks/odometry.py"), "--no-peers",
    ]  # fmt: skip


def test_the_tests_exit_code_is_that_of_the_first_failure(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(argv[2:])
        code = 2 if argv[2] == "mypy" else int(argv[1] == "-c")
        return subprocess.CompletedProcess(argv, code)

    class Beside(nullcontext):
        def __init__(self, argv: list[str], stdout: IO[str], **_: object) -> None:
            super().__init__(self)
            self.argv = argv
            stdout.write("said beside\n")

        def wait(self) -> int:
            return 3 * int(self.argv[3:] == ["tests/ros"])

    monkeypatch.setattr(cli.subprocess, "run", run)
    monkeypatch.setattr(cli.subprocess, "Popen", Beside)
    assert cli.test(layout, [], {}) == 2
    told = capsys.readouterr()
    assert told.err == "failed: mypy, pytest, pytest tests/ros\n"
    assert told.out == "said beside\n"
    assert ran[:3] == [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]]
    assert "from pytest import main" in ran[3][0]
    assert ran[3][1:] == ["--ignore=tests/ros"]
    ran.clear()
    assert cli.test(layout, ["tests/geometry"], {}) == 1
    assert [argv[1:] for argv in ran] == [["tests/geometry"]]


def test_tools_do_not_import_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "launch").mkdir()
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe/probe.py").write_text(
        "import sys\ndef main(): return 'found' if '' in sys.path else None"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "probe")}
    argv = [sys.executable, *environment.entry_point("probe", "main")[1:]]
    result = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_full_disk_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli, "run", run)
    assert cli.main(["setup"]) == 1
    assert capsys.readouterr().err.endswith("is full; free some space and start again\n")
