"""The README says what is so: its commands parse, its reasons are those of the code."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest

from embodied_perception.cli import main as program
from embodied_perception.geometry import TransformTree
from embodied_perception.stages import STAGES, stage_type
from embodied_perception.stages.camera_setups import SETUPS, ScaleSource
from embodied_perception.stages.odometry import MASK
from embodied_perception.stages.runner import reason_of

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "src" / "embodied_perception" / "embodied_perception"
README = (ROOT / "README.md").read_text(encoding="utf-8")

sys.path.insert(0, str(ROOT / "tools"))

from workspace.cli import HELP  # noqa: E402 (found through the line above)


def shell_commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def commands_of(*head: str) -> list[list[str]]:
    """The rest of each command that begins so, in blocks and in running text."""
    inline = [shlex.split(text) for text in re.findall(r"`([^`\n]+)`", README) if "'" not in text]
    every = [*shell_commands(), *inline]
    return [words[len(head) :] for words in every if words[: len(head)] == list(head)]


def section(title: str) -> str:
    return re.split(r"(?m)^## ", README.split(f"## {title}\n")[1])[0]


def reasons_in_the_code() -> set[str]:
    reasons = set()
    for path in LIBRARY.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = getattr(call.func, "attr", getattr(call.func, "id", "")).lstrip("_")
            first = call.args[0]
            if name in ("drop", "FrameError") and isinstance(first, ast.Constant):
                reasons.add(first.value)
    source = ast.parse((LIBRARY / "stages" / "runner.py").read_text(encoding="utf-8"))
    for function in ast.walk(source):
        if isinstance(function, ast.FunctionDef) and function.name == reason_of.__name__:
            for statement in ast.walk(function):
                if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Constant):
                    reasons.add(statement.value.value)
    return reasons


def test_every_reason_is_explained() -> None:
    table = section("What it says when something is wrong")
    explained = re.findall(r"(?m)^\| `([A-Z_]+)` \| (.+) \| (.+) \|$", table)
    assert {reason for reason, *_ in explained} == reasons_in_the_code()
    assert len(explained) == len(reasons_in_the_code())
    assert {"NO_STAMP", "UNCALIBRATED", "TIME_WENT_BACK"} <= reasons_in_the_code()


def test_every_tracking_state_is_explained() -> None:
    from embodied_perception.odometry import TrackingState

    table = section("Topics, services and parameters of odometry")
    assert re.findall(r"(?m)^\| `([A-Z]+)` \|", table) == [state.name for state in TrackingState]


def test_the_topics_are_those_of_the_stage() -> None:
    stage = stage_type("odometry")
    topics = {"/diagnostics"} | {output.topic for output in stage.outputs}
    for make in SETUPS.values():
        for image in make(TransformTree(), ScaleSource("base_link", 0.0, "")).inputs:
            topics |= {image.topic, image.camera_info_topic}
    topics |= {MASK.topic, MASK.label_info_topic}
    table = section("Topics, services and parameters of odometry").split("| state |")[0]
    first_cells = re.findall(r"(?m)^\| (`.*?`) \|", table)
    assert set(re.findall(r"`(.*?)`", " ".join(first_cells))) == topics
    for service in stage.services:
        assert service.topic.replace("~", f"/{stage.name}") in README


def test_parameters_that_are_named_exist() -> None:
    known = {info.name for stage in STAGES for info in stage_type(stage).config_type.parameters()}
    named = set(re.findall(r"ros2 param \w+ /odometry (\w+)", README))
    named |= set(re.findall(r"--param (\w+):=", README))
    assert {"features", "base_frame"} <= named <= known
    assert "`sync_tolerance_s`" in README
    assert "sync_tolerance_s" in known


@pytest.mark.parametrize("words", commands_of("perception"), ids=" ".join)
def test_perception_commands_parse(words: list[str]) -> None:
    if words == ["evaluate"]:  # the command's name in a sentence
        return
    parser = program._parser(words[0], program._load(words[0]))
    if words[-1] == "--help":
        with pytest.raises(SystemExit) as exit_:
            parser.parse_args(words)
        assert exit_.value.code == 0
    else:
        assert callable(parser.parse_args(words).run)


def test_every_perception_command_is_shown() -> None:
    shown = {words[0] for words in [*commands_of("perception"), *commands_of("./run")] if words}
    assert set(program.COMMANDS) <= shown


@pytest.mark.parametrize("words", commands_of("./run"), ids=" ".join)
def test_run_commands_exist(words: list[str]) -> None:
    if words:
        assert words[0] == "help" or f"\n  {words[0]} " in HELP


@pytest.mark.parametrize(
    "words", commands_of("ros2", "launch", "embodied_perception_bringup"), ids=" ".join
)
def test_launch_commands_name_files_and_arguments_that_exist(words: list[str]) -> None:
    assert (ROOT / "launch" / words[0]).is_file()
    source = (ROOT / "launch" / "perception.launch.py").read_text(encoding="utf-8")
    declared = {
        call.args[0].value
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "DeclareLaunchArgument"
    }
    assert len(declared) > 5
    assert {word.partition(":=")[0] for word in words[1:] if ":=" in word} <= declared


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    assert all((ROOT / target).exists() for target in targets)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert {ROOT / picture for picture in pictures} == set((ROOT / "docs").iterdir())
    assert all((ROOT / picture).stat().st_size <= 300_000 for picture in pictures)
