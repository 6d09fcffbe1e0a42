"""The program's outside: help, errors, exit status."""

import subprocess
import sys
import time

import pytest

from embodied_perception.cli import main as program
from embodied_perception.errors import BagError


class Command:
    """A command module that does what the test says."""

    SUMMARY = "do something"

    def __init__(self, action):
        self.action = action

    def configure(self, parser):
        parser.add_argument("words", nargs="*")

    def run(self, arguments):
        return self.action(arguments)


def raises(error):
    def action(_):
        raise error

    return action


@pytest.fixture
def command(monkeypatch):
    def install(action):
        monkeypatch.setattr(program, "_load", lambda _: Command(action))

    return install


def test_exit_status_is_the_commands(command):
    command(lambda arguments: len(arguments.words))
    assert program.main(["replay", "a", "b", "c"]) == 3


def test_an_error_is_one_line(command, capsys):
    command(raises(BagError("a.mcap: broken\nbadly")))
    assert program.main(["replay"]) == 2
    assert capsys.readouterr().err == "perception: error: a.mcap: broken badly\n"


def test_debug_shows_the_traceback(command, capsys):
    command(raises(BagError("broken")))
    assert program.main(["replay", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_interrupted(command):
    command(raises(KeyboardInterrupt()))
    assert program.main(["replay"]) == 130


def test_a_programming_error_is_not_hidden(command):
    command(raises(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        program.main(["replay"])


def test_a_command_that_cannot_be_imported_says_why(monkeypatch, capsys):
    monkeypatch.setitem(program.COMMANDS, "replay", "embodied_perception.cli.no_such_module")
    assert program.main(["replay"]) == 2
    assert "'replay' cannot start: No module named" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["dance"], ["--nonsense"]])
def test_wrong_use_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        program.main(words)
    assert exit_.value.code == 2
    assert "usage: perception" in capsys.readouterr().err


def test_help_is_quick_and_loads_no_ros():
    code = (
        "import sys\nfrom embodied_perception.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'rclpy', 'numpy', 'cv2'} & set(sys.modules)"
    )
    start = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert time.perf_counter() - start < 5
    assert "turn a dataset's folder into a bag" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["models", "check", "builtin:camvid"],
        ["models", "list"],
        ["explain", "photos", "--model", "builtin:objects", "-o", "why"],
        ["replay", "drive.mcap", "-o", "masks.mcap", "--stages", "segmentation"],
    ],
    ids=" ".join,
)
def test_a_library_that_is_not_installed_is_named_with_the_way_to_get_it(words):
    code = (
        "import sys\nfrom embodied_perception.cli.main import main\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError('No module named torch', name='torch')\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.exit(main({words!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("perception: error: networks need PyTorch and transformers")
    assert "pip install 'torch>=2.6'" in result.stderr


@pytest.mark.parametrize("words", [["convert"], ["evaluate"], ["evaluate", "odometry"]])
def test_help_teaches_with_examples(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        program.main([*words, "--help"])
    assert exit_.value.code == 0
    assert words[-1] in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        program.main(["--version"])
    assert capsys.readouterr().out.startswith("perception 0.")
