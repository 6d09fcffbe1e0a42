"""Writes what is said on a graph into a bag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from embodied_perception.bags import BagWriter
from embodied_perception.ros import qos


@dataclass(frozen=True)
class RecordedTopic:
    """A topic to record."""

    type: type
    latched: bool = False


class Recorder(Node):
    """Records topics under ROS time, which comes from /clock.

    Args:
        bag: is written to.
        topics: full name to what it carries.
        listener: told of every message, after it was written.
    """

    def __init__(
        self,
        bag: BagWriter,
        topics: Mapping[str, RecordedTopic],
        listener: Callable[[str, Any], None],
    ) -> None:
        use_sim_time = Parameter("use_sim_time", Parameter.Type.BOOL, value=True)
        super().__init__("perception_recorder", parameter_overrides=[use_sim_time])
        self._bag = bag
        self._listener = listener
        for topic, recorded in topics.items():
            profile = qos.LATCHED if recorded.latched else qos.RELIABLE
            take = self._writer(topic, recorded.latched)
            self.create_subscription(recorded.type, topic, take, profile)

    def _writer(self, topic: str, latched: bool) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            now_ns = self.get_clock().now().nanoseconds
            self._bag.write(topic, message, now_ns, latched=latched)
            self._listener(topic, message)

        return take
