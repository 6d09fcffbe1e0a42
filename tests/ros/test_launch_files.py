"""Launch files name programs that exist; where launch is installed, they are loaded by it."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))


def programs():
    setup = (ROOT / "src/embodied_perception/setup.py").read_text()
    return set(re.findall(r'"(\w+) = embodied_perception[\w.]+:main"', setup))


def literals(path, keyword):
    """Values of a keyword argument, wherever it is given as plain text."""
    return {
        given.value.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for given in node.keywords
        if given.arg == keyword and isinstance(given.value, ast.Constant)
    }


def launch_description():
    try:
        # The repository's own launch/ folder is importable too, as a package without contents.
        return importlib.import_module("launch").LaunchDescription
    except (ImportError, AttributeError):
        pytest.skip("launch is not installed here: it is not on PyPI")


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_nodes_are_programs_of_ours(path):
    compile(path.read_text(), path, "exec")
    if "embodied_perception" in literals(path, "package"):
        ours = literals(path, "executable")
        assert ours
        assert ours & programs()
        assert {name for name in ours if name.endswith("_node")} <= programs()


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_loads_it(path):
    description = launch_description()
    space = {"__file__": str(path)}
    exec(compile(path.read_text(), path, "exec"), space)  # noqa: S102 - our own file
    assert isinstance(space["generate_launch_description"](), description)
