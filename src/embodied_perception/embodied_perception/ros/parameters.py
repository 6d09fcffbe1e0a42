"""A stage's configuration as ROS parameters."""

from __future__ import annotations

import sys
from typing import TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from embodied_perception.config import Config, ParameterInfo
from embodied_perception.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound=Config)


def declare(node: Node, config_type: type[Config]) -> None:
    """Declare every field with its default, description and range."""
    for info in config_type.parameters():
        default = list(info.default) if info.is_sequence else info.default
        node.declare_parameter(info.name, default, _descriptor(info))


def read(node: Node, config_type: type[ConfigT]) -> ConfigT:
    """The configuration that the node's parameters give.

    Raises:
        ConfigError: a value makes no sense.
    """
    names = [info.name for info in config_type.parameters()]
    return config_type.from_mapping({name: node.get_parameter(name).value for name in names})


def changed(config: ConfigT, parameters: list[Parameter]) -> tuple[ConfigT, SetParametersResult]:
    """The configuration with some values changed, and the answer to whoever asked for it."""
    names = {info.name for info in config.parameters()}
    values = {name: getattr(config, name) for name in names}
    values |= {each.name: each.value for each in parameters if each.name in names}
    try:
        return type(config).from_mapping(values), SetParametersResult(successful=True)
    except ConfigError as error:
        return config, SetParametersResult(successful=False, reason=str(error))


def _descriptor(info: ParameterInfo) -> ParameterDescriptor:
    unit = f" [{info.unit}]" if info.unit else ""
    descriptor = ParameterDescriptor(
        description=info.description + unit,
        read_only=info.fixed,
        additional_constraints=f"one of: {', '.join(info.choices)}" if info.choices else "",
        # ROS knows no empty list of numbers: it would hold on to the type that it guesses.
        dynamic_typing=info.is_sequence,
    )
    if info.is_sequence or (info.minimum is None and info.maximum is None):
        return descriptor
    low = -sys.float_info.max if info.minimum is None else info.minimum
    high = sys.float_info.max if info.maximum is None else info.maximum
    if info.type is float:
        bounds = FloatingPointRange(from_value=float(low), to_value=float(high))
        descriptor.floating_point_range = [bounds]
    else:
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    return descriptor
