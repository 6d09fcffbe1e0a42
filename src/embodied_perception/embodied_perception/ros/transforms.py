"""The transforms that are said on a graph."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from tf2_msgs.msg import TFMessage

from embodied_perception.errors import PerceptionError
from embodied_perception.ros import discovery, qos
from embodied_perception.stages.transforms import TRANSFORM_TOPICS, TransformHistory

_TICK_S = 0.05


class TransformListener(Node):
    """Takes all transforms that it hears.

    Attributes:
        history: what it heard.
    """

    def __init__(self, context: Context) -> None:
        super().__init__("perception_tf", context=context)
        self.history = TransformHistory()
        self._first_heard: float | None = None
        self._clock_ns: int | None = None
        for topic, static in TRANSFORM_TOPICS.items():
            profile = qos.LATCHED if static else qos.RELIABLE
            self.create_subscription(TFMessage, topic, self._taker(static), profile)
        # Not by use_sim_time: without a simulation there is no /clock, and time would stand still.
        self.create_subscription(Clock, "/clock", self._take_clock, qos.SENSOR)

    def heard_for_s(self) -> float:
        """How long ago the first transform was heard, in seconds; 0 before."""
        return 0.0 if self._first_heard is None else time.monotonic() - self._first_heard

    def finish(self) -> TransformHistory:
        """What was heard up to now, which is by the graph's clock."""
        self.history.set_time(None, self._clock_ns or self.get_clock().now().nanoseconds)
        return self.history

    def silence(self, wait_s: float) -> str:
        """Why nothing was heard, perhaps."""
        publishers = " and ".join(
            f"{self.count_publishers(topic)} of {topic}" for topic in TRANSFORM_TOPICS
        )
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
        return (
            f"heard no transform within {wait_s:g} s; publishers found: {publishers}. Is anything "
            "publishing (robot_state_publisher, static_transform_publisher)? Does it have the same "
            f"ROS_DOMAIN_ID (here {domain}) and a ROS_AUTOMATIC_DISCOVERY_RANGE that reaches this "
            f"machine (here {reach})? Where it is only slow to start, raise --wait"
        )

    def _taker(self, static: bool) -> Callable[[TFMessage], None]:
        def take(message: TFMessage) -> None:
            self._first_heard = self._first_heard or time.monotonic()
            self.history.take(message.transforms, static)

        return take

    def _take_clock(self, message: Clock) -> None:
        self._clock_ns = message.clock.sec * 1_000_000_000 + message.clock.nanosec


def hear_transforms(
    wait_s: float,
    is_enough: Callable[[TransformHistory], bool] | None = None,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> TransformHistory:
    """Listen to /tf and /tf_static.

    Args:
        wait_s: how long, from the first transform on; until then discovery may take some seconds.
        is_enough: asked again and again; ends it. While it does not, publishers that are found
            late are waited for too.
        progress: told now and then which part of the time is over, 0 to 1.

    Raises:
        PerceptionError: nothing was heard; says what to check.
    """
    context = Context()
    rclpy.init(context=context)
    executor = SingleThreadedExecutor(context=context)
    listener = TransformListener(context)
    executor.add_node(listener)
    patience_s = wait_s + discovery.PATIENCE_S
    begun = time.monotonic()
    try:
        while (spent_s := time.monotonic() - begun) < patience_s:
            if is_enough is None:
                part = listener.heard_for_s() / wait_s
            else:
                part = 1.0 if is_enough(listener.history) else spent_s / patience_s
            progress(min(part, 1.0))
            if part >= 1:
                break
            executor.spin_once(timeout_sec=_TICK_S)
        history = listener.finish()
        if history.is_empty:
            raise PerceptionError(listener.silence(patience_s))
        return history
    finally:
        executor.shutdown()
        listener.destroy_node()
        context.try_shutdown()
