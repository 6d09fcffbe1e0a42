"""Parameters as typed, validated dataclasses.

A configuration is a frozen dataclass whose every field is made by :func:`parameter`. The
description, unit and range live beside the default, once; ROS parameters, ``--help`` and the
checks all read them from here.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from embodied_perception.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound="Config")


@dataclass(frozen=True)
class ParameterInfo:
    """What is known of one parameter besides its value."""

    name: str
    type: type
    default: Any
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    fixed: bool = False  #: cannot change while the stage runs

    @property
    def is_sequence(self) -> bool:
        """Whether the value is a tuple of :attr:`element_type`."""
        return typing.get_origin(self.type) is tuple

    @property
    def element_type(self) -> Any:
        """The type of the value, or of each of its elements."""
        return typing.get_args(self.type)[0] if self.is_sequence else self.type

    def check(self, value: Any) -> Any:
        """Return ``value`` in this parameter's type, or raise :class:`ConfigError`."""
        if not self.is_sequence:
            return self._check_one(value)
        if isinstance(value, str | bytes) or not isinstance(value, Sequence | array):
            raise ConfigError(f"{self.name}: got {value!r}, expected a list")
        return tuple(self._check_one(element) for element in value)

    def _check_one(self, value: Any) -> Any:
        kind = self.element_type
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind:
            raise ConfigError(
                f"{self.name}: got {value!r} ({type(value).__name__}), expected {kind.__name__}"
            )
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if isinstance(value, int | float) and not low <= value <= high:
            raise ConfigError(f"{self.name}: got {value!r}, expected {self.range_text()}")
        if self.choices and value not in self.choices:
            raise ConfigError(
                f"{self.name}: got {value!r}, expected one of {', '.join(self.choices)}"
            )
        return value

    def range_text(self) -> str:
        """The range in words, for example ``0.1 to 10.0 m``."""
        low = "any" if self.minimum is None else f"{self.minimum:g}"
        high = "any" if self.maximum is None else f"{self.maximum:g}"
        return f"{low} to {high} {self.unit}".strip()


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    fixed: bool = False,
) -> Any:
    """Declare a field of a :class:`Config` with its default and its meaning."""
    return dataclasses.field(
        default=default,
        metadata={
            "description": description,
            "unit": unit,
            "minimum": minimum,
            "maximum": maximum,
            "choices": tuple(choices),
            "fixed": fixed,
        },
    )


@dataclass(frozen=True)
class Config:
    """Base of all configurations: checks every field when built."""

    def __post_init__(self) -> None:
        for info in self.parameters():
            object.__setattr__(self, info.name, info.check(getattr(self, info.name)))

    @classmethod
    def parameters(cls) -> Iterator[ParameterInfo]:
        """Describe the fields in the order of their declaration."""
        types = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            yield ParameterInfo(field.name, types[field.name], field.default, **field.metadata)

    @classmethod
    def from_mapping(cls: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
        """Build from names and values; a name that does not exist is refused."""
        known = [info.name for info in cls.parameters()]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"unknown parameter {unknown[0]!r}; known: {', '.join(known)}")
        return cls(**values)
