"""Publishes a recording on the graph as the robot did, with /clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock

from embodied_perception.bags import BagReader
from embodied_perception.bags.message_types import message_class
from embodied_perception.errors import BagError
from embodied_perception.ros import qos


class BagPlayer(Node):
    """Plays one recording.

    Attributes:
        topics: what the recording holds.
        unknown: topics that cannot be played, for want of their message type.

    Raises:
        BagError: it cannot be read, or holds nothing that this machine has message types for.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("perception_player")
        self._path = path
        self._publishers_by_topic: dict[str, Publisher] = {}
        self._clock_publisher = self.create_publisher(Clock, "/clock", qos.RELIABLE)
        with BagReader(path) as bag:
            self.topics = frozenset(bag.topics)
            self.unknown: list[str] = []
            self._latched = {topic for topic, info in bag.topics.items() if info.latched}
            for topic, info in bag.topics.items():
                self._advertise(topic, info.type_name)
            self.message_count = sum(bag.topics[topic].count for topic in self._publishers_by_topic)
        if not self._publishers_by_topic:
            raise BagError(f"{path}: holds no message whose type is known here")

    def unheard(self, topics: list[str]) -> list[str]:
        """Which of the topics in the recording nobody hears, or not all who listen hear yet."""
        return [
            topic
            for topic in topics
            if topic in self._publishers_by_topic
            and self._publishers_by_topic[topic].get_subscription_count()
            < max(1, self.count_subscribers(topic))
        ]

    def play(self, rate: float, progress: Callable[[int], None]) -> str | None:
        """Publish everything once, ``rate`` times as fast as it was recorded.

        Returns:
            What is wrong with the recording, if it is damaged.
        """
        with BagReader(self._path) as bag:
            self._publish_latched(bag)
            start, first_ns = time.monotonic(), None
            for done, (topic, log_ns, data) in enumerate(bag.serialized(self._publishers_by_topic)):
                first_ns = log_ns if first_ns is None else first_ns
                wait_s = start + (log_ns - first_ns) * 1e-9 / rate - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
                seconds, nanoseconds = divmod(log_ns, 1_000_000_000)
                clock = Clock(clock=Time(sec=seconds, nanosec=nanoseconds))
                self._clock_publisher.publish(clock)
                if topic not in self._latched:
                    self._publishers_by_topic[topic].publish(data)
                progress(done)
            return bag.damage

    def _advertise(self, topic: str, type_name: str) -> None:
        try:
            message_type = message_class(type_name)
        except BagError:
            self.unknown.append(f"{topic} ({type_name})")
            return
        profile = qos.LATCHED if topic in self._latched else qos.RELIABLE
        self._publishers_by_topic[topic] = self.create_publisher(message_type, topic, profile)

    def _publish_latched(self, bag: BagReader) -> None:
        """What holds throughout comes first, so that no image comes before its transforms."""
        latched = self._latched & set(self._publishers_by_topic)
        for topic, _, data in bag.serialized(latched):
            self._publishers_by_topic[topic].publish(data)
