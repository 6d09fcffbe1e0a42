"""Parameters: ranges, types, choices, names."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.config import Config, parameter
from embodied_perception.errors import ConfigError


@dataclass(frozen=True)
class Speed(Config):
    speed: float = parameter(1.0, "how fast", unit="m/s", minimum=0.5, maximum=2.0)
    count: int = parameter(3, "how many", minimum=1)
    mode: str = parameter("slow", "how", choices=("slow", "fast"), fixed=True)
    loud: bool = parameter(False, "whether to say so")


@dataclass(frozen=True)
class Longer(Speed):
    extra: float = parameter(0.0, "more", maximum=1.0)
    speed: float = parameter(1.5, "another default", minimum=0.5)


def test_defaults_and_given_values():
    assert Speed() == Speed(1.0, 3, "slow", False)
    assert Speed.from_mapping({"mode": "fast", "count": 9}) == Speed(1.0, 9, "fast", False)


def test_an_integer_is_taken_for_a_float_and_becomes_one():
    speed = Speed.from_mapping({"speed": 2}).speed
    assert speed == 2.0
    assert type(speed) is float


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"speed": 0.49}, ["speed", "0.49", "0.5 to 2 m/s"]),
        ({"speed": 2.01}, ["speed", "0.5 to 2 m/s"]),
        ({"speed": float("nan")}, ["speed", "nan", "0.5 to 2 m/s"]),
        ({"speed": float("inf")}, ["speed", "inf"]),
        ({"count": 0}, ["count", "1 to any"]),
        ({"count": 2.0}, ["count", "2.0 (float)", "expected int"]),
        ({"count": True}, ["count", "True (bool)", "expected int"]),
        ({"speed": True}, ["speed", "True (bool)", "expected float"]),
        ({"speed": "1"}, ["speed", "'1' (str)", "expected float"]),
        ({"speed": None}, ["speed", "None"]),
        ({"loud": 1}, ["loud", "1 (int)", "expected bool"]),
        ({"mode": "medium"}, ["mode", "'medium'", "slow, fast"]),
        ({"mode": ["slow"]}, ["mode", "list", "expected str"]),
        ({"sped": 1.0}, ["'sped'", "speed, count, mode, loud"]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(values, words):
    with pytest.raises(ConfigError) as error:
        Speed.from_mapping(values)
    assert [word for word in words if word not in str(error.value)] == []


def test_bad_values_are_refused_by_the_constructor_too():
    with pytest.raises(ConfigError, match="count"):
        Speed(count=-1)


def test_open_ranges_refuse_nan():
    with pytest.raises(ConfigError, match=r"speed: got nan, expected 0\.5 to any"):
        Longer(speed=float("nan"))
    with pytest.raises(ConfigError, match="extra: got nan, expected any to 1"):
        Longer(extra=float("nan"))


def test_parameters_are_described():
    speed, _, mode, _ = Speed.parameters()
    assert (speed.name, speed.type, speed.default, speed.unit) == ("speed", float, 1.0, "m/s")
    assert (speed.description, speed.minimum, speed.maximum) == ("how fast", 0.5, 2.0)
    assert not speed.fixed
    assert mode.fixed
    assert mode.choices == ("slow", "fast")


def test_inheritance_keeps_the_order_and_replaces_in_place():
    infos = list(Longer.parameters())
    assert [info.name for info in infos] == ["speed", "count", "mode", "loud", "extra"]
    assert infos[0].default == 1.5
    assert Longer(speed=100.0).speed == 100.0  # the range is replaced with the default


@given(st.floats(allow_nan=True) | st.integers())
def test_whatever_is_accepted_lies_in_the_range(value):
    try:
        accepted = Speed(speed=value).speed
    except ConfigError:
        assert not 0.5 <= value <= 2.0
    else:
        assert 0.5 <= accepted <= 2.0
