"""Parameters of stages on the command line: ROS parameter files and ``name:=value``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from embodied_perception.config import Config
from embodied_perception.errors import ConfigError
from embodied_perception.stages import STAGES, stage_type
from embodied_perception.stages.stage import Stage

#: What nodes take besides their stage's parameters.
_NODE_PARAMETERS = frozenset(
    ("use_sim_time", "autostart", "image_transport", "stages", "qos_overrides")
)


def read_parameter_file(path: Path, node_name: str) -> dict[str, Any]:
    """The values that a ROS parameter file (``ros__parameters``) gives a node.

    Raises:
        ConfigError: the file is missing or not such a file.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected 'NODE: {{ros__parameters: {{...}}}}'")
    values: dict[str, Any] = {}
    for key in ("/**", node_name, f"/{node_name}"):
        section = content.get(key) or {}
        if not isinstance(section, dict) or not isinstance(
            section.get("ros__parameters", {}), dict
        ):
            raise ConfigError(f"{path}: {key}: expected ros__parameters: {{name: value}}")
        values |= section.get("ros__parameters", {})
    return values


def stage_config(stage: type[Stage], file: Path | None, assignments: Iterable[str]) -> Config:
    """A stage's configuration from its defaults, then a file, then ``name:=value`` words.

    Values of the file that are for nodes alone, or for other stages, are left aside.

    Raises:
        ConfigError: a name that nobody knows, or a value that makes no sense.
    """
    values: dict[str, Any] = {}
    if file is not None:
        names = _parameter_names(stage)
        elsewhere = _NODE_PARAMETERS.union(*map(_parameter_names, map(stage_type, STAGES)))
        for name, value in read_parameter_file(file, stage.name).items():
            if name in names:
                values[name] = value
            elif name not in elsewhere:
                known = ", ".join(sorted(names))
                raise ConfigError(f"{file}: unknown parameter {name!r}; {stage.name} has: {known}")
    for assignment in assignments:
        name, separator, text = assignment.partition(":=")
        if not separator:
            raise ConfigError(f"--param: got {assignment!r}, expected name:=value")
        try:
            values[name] = yaml.safe_load(text) if text else ""
        except yaml.YAMLError as error:
            raise ConfigError(f"--param {name}: got {text!r}, expected a value") from error
    return stage.config_type.from_mapping(values)


def _parameter_names(stage: type[Stage]) -> set[str]:
    return {info.name for info in stage.config_type.parameters()}


def remappings(assignments: Iterable[str]) -> dict[str, str]:
    """``from:=to`` words as a table."""
    table = {}
    for assignment in assignments:
        name, separator, topic = assignment.partition(":=")
        if not separator or not name or not topic.startswith("/"):
            raise ConfigError(f"--remap: got {assignment!r}, expected topic:=/topic/in/the/bag")
        table[name] = topic
    return table
