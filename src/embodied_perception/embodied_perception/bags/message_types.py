"""ROS message classes and their definitions, found by type name."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path
from typing import Any

from embodied_perception.errors import BagError

# Separates the parts of an MCAP `ros2msg` schema (MCAP format registry, "ros2msg").
_SCHEMA_SEPARATOR = "=" * 80


@functools.cache
def message_class(type_name: str) -> Any:
    """Return the class of ``sensor_msgs/msg/Image`` and the like.

    Raises:
        BagError: no package of that name is installed, or it has no such message.

    """
    parts = type_name.split("/")
    if len(parts) != 3 or parts[1] != "msg" or not all(part.isidentifier() for part in parts):
        raise BagError(f"got message type {type_name!r}, expected the form package/msg/Name")
    package, _, name = parts
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        raise BagError(
            f"message type {type_name} is not installed here (on a robot: "
            f"apt install ros-$ROS_DISTRO-{package.replace('_', '-')})"
        ) from None


def type_name_of(cls: type) -> str:
    """Return ``sensor_msgs/msg/Image`` for the class of that message."""
    package = cls.__module__.split(".")[0]
    return f"{package}/msg/{cls.__name__}"


@functools.cache
def schema_text(type_name: str) -> str:
    """Return the definition of a message and of all messages inside it, as MCAP wants it."""
    definitions = {type_name: _definition(type_name)}
    pending = [type_name]
    while pending:
        for inner in _inner_types(pending.pop()):
            if inner not in definitions:
                definitions[inner] = _definition(inner)
                pending.append(inner)
    text = definitions.pop(type_name)
    for inner in sorted(definitions):
        # The short form package/Name is the one that all readers of such schemas know.
        short = inner.replace("/msg/", "/")
        text += f"\n{_SCHEMA_SEPARATOR}\nMSG: {short}\n{definitions[inner]}"
    return text


def _inner_types(type_name: str) -> list[str]:
    fields = message_class(type_name).get_fields_and_field_types()
    found = (re.search(r"(\w+)/(\w+)", field_type) for field_type in fields.values())
    return [f"{match[1]}/msg/{match[2]}" for match in found if match]


def _definition(type_name: str) -> str:
    """Read the .msg file of the install prefix that the Python class was imported from."""
    package, _, name = type_name.split("/")
    message_class(type_name)
    module_file = Path(str(importlib.import_module(package).__file__))
    for prefix in module_file.parents:
        candidate = prefix / "share" / package / "msg" / f"{name}.msg"
        if candidate.is_file():
            return candidate.read_text(encoding="utf-8").rstrip() + "\n"
    raise BagError(
        f"found no share/{package}/msg/{name}.msg above {module_file}; reinstall package {package}"
    )
