"""What `ros2 launch` starts for one stage, with stand-ins for launch, which is not everywhere."""

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from embodied_perception.geometry import TransformTree
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.stages import STAGES, stage_type

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
VOCABULARIES = sorted((ROOT / "config" / "vocabularies").glob("*.yaml"))


@dataclass
class Action:
    """Any class of launch or launch_ros: keeps what it was given."""

    args: tuple
    given: dict = field(default_factory=dict)

    @property
    def name(self):
        return self.args[0]


def stand_in(name):
    return type(name, (Action,), {"__init__": lambda self, *a, **k: Action.__init__(self, a, k)})


@pytest.fixture
def load(monkeypatch):
    """Run a launch file, and give what it defines."""

    def load(path):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in (
                "launch",
                "launch_ros",
            ):
                module = ModuleType(node.module)
                for each in node.names:
                    setattr(module, each.name, stand_in(each.name))
                parent = node.module.partition(".")[0]
                monkeypatch.setitem(sys.modules, parent, sys.modules.get(parent, module))
                monkeypatch.setitem(sys.modules, node.module, module)
        space = {"__file__": str(path)}
        exec(compile(path.read_text(), path.name, "exec"), space)  # noqa: S102 - our own file
        return space

    return load


@pytest.fixture
def start(load):
    """The container that perception.launch.py starts with these arguments."""

    def start(**changes):
        space = load(LAUNCH / "perception.launch.py")
        arguments = {each.name: each.given["default_value"] for each in space["ARGUMENTS"]}
        assert changes.keys() <= arguments.keys()
        context = SimpleNamespace(launch_configurations=arguments | changes)
        container, _rviz = space["start_nodes"](context)
        return container.given

    return start


def values_of(container):
    """Its parameters: the last dict; those of types are unpacked."""
    return {
        name: value.args[0] if isinstance(value, Action) else value
        for name, value in container["parameters"][-1].items()
    }


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_a_launch_file_that_runs_it_alone(load, name):
    description = load(LAUNCH / f"{name}.launch.py")["generate_launch_description"]()
    ((include,),) = description.args
    assert include.args == (str(LAUNCH / "perception.launch.py"),)
    assert dict(include.given["launch_arguments"])["stages"] == name


@pytest.mark.parametrize("name", ["segmentation", "classification", "open_vocabulary", "zero_shot"])
def test_a_stage_of_a_model(start, name):
    container = start(stages=name, model="hf:someone/model", device="cpu", image="/front/image")
    assert container["executable"] == "perception_container"
    *files, _ = container["parameters"]
    assert files == [str(ROOT / "config" / f"{name}.yaml")]
    values = values_of(container)
    assert values["stages"] == [name]
    assert (values["model"], values["device"]) == ("hf:someone/model", "cpu")
    parameters = {info.name for info in stage_type(name).config_type.parameters()}
    assert {"model", "device"} <= parameters
    (image,) = stage_type(name).inputs
    assert (image.topic, "/front/image") in container["remappings"]
    assert (f"{image.topic}/compressed", "/front/image/compressed") in container["remappings"]


def test_boxes_of_another_stage(start):
    container = start(stages="zero_shot", boxes="/open_vocabulary/detections")
    stage = stage_type("zero_shot")
    config = stage.config_type(regions=values_of(container)["regions"])
    boxes, _ = stage(config, TransformTree()).inputs
    assert container["remappings"] == [(boxes.topic, "/open_vocabulary/detections")]


def test_what_is_not_given_is_not_passed_on(start):
    container = start(stages="open_vocabulary")
    assert values_of(container) == {"stages": ["open_vocabulary"], "use_sim_time": False}
    assert container["remappings"] == []


def test_a_parameter_file_goes_in_place_of_ours(start):
    *files, _ = start(stages="open_vocabulary image", params_file="my.yaml")["parameters"]
    assert files == ["my.yaml"]
    *files, _ = start(stages="open_vocabulary image")["parameters"]
    assert [Path(path).name for path in files] == ["open_vocabulary.yaml", "image.yaml"]


@pytest.mark.parametrize("name", STAGES)
def test_the_arguments_name_every_stage(load, name):
    arguments = load(LAUNCH / "perception.launch.py")["ARGUMENTS"]
    (stages,) = (each for each in arguments if each.name == "stages")
    assert f" {name}" in stages.given["description"]


@pytest.mark.parametrize("path", VOCABULARIES, ids=lambda path: path.stem)
def test_vocabularies_are_read(path):
    """And the examples of the parameter file, which refer to one, find it."""
    assert len(Vocabulary.read(path).names) > 3


def test_the_parameter_file_refers_to_a_vocabulary_that_exists():
    text = (ROOT / "config" / "open_vocabulary.yaml").read_text()
    (named,) = (line.split()[-1] for line in text.splitlines() if "vocabulary_file:" in line)
    assert ROOT / named in VOCABULARIES
