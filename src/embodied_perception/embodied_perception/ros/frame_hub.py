"""One subscription a topic in a process, whoever listens.

rclpy pays for every subscription with a deserialised message, so stages in one process share one:
a message is deserialised and decoded once, and its views are computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from embodied_perception.stages.decoding import Decoded, Decoder

#: Told what arrived, or why it cannot be used.
Listener = Callable[[Decoded], None]


@dataclass
class _Topic:
    subscription: Subscription
    listeners: list[Listener] = field(default_factory=list)


class FrameHub:
    """Hands each message of a topic, decoded once, to all who listen in this process."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._topics: dict[str, _Topic] = {}

    def listen(
        self, topic: str, message_type: type, qos: QoSProfile, listener: Listener
    ) -> Callable[[], None]:
        """Listen to a topic, named in full; returns a function that ends it."""
        if topic not in self._topics:
            self._topics[topic] = _Topic(self._subscribe(topic, message_type, qos))
        self._topics[topic].listeners.append(listener)
        return lambda: self._leave(topic, listener)

    def _subscribe(self, topic: str, message_type: type, qos: QoSProfile) -> Subscription:
        decoder = Decoder()

        def deliver(message: Any) -> None:
            for decoded in decoder.decode(message):
                for listener in list(self._topics[topic].listeners):
                    listener(decoded)

        return self._node.create_subscription(
            message_type,
            topic,
            deliver,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _leave(self, topic: str, listener: Listener) -> None:
        listeners = self._topics[topic].listeners
        listeners.remove(listener)
        if not listeners:
            self._node.destroy_subscription(self._topics.pop(topic).subscription)
