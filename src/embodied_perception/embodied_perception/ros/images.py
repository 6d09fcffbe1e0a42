"""The images that are published on a graph, the newest ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from embodied_perception.bags.images import IMAGE_TYPES
from embodied_perception.bags.message_types import message_class
from embodied_perception.errors import PerceptionError
from embodied_perception.frame import Frame
from embodied_perception.ros import discovery, qos
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.pairing import StampPairer

_TICK_S = 0.05
_SILENCE_S = 10.0


def live_frame_sets(
    topics: Sequence[str], tolerance_ns: int, problem: Callable[[str], None]
) -> Iterator[tuple[Frame, ...]]:
    """Yield a frame of each topic, taken at one time; the newest set when one is asked for.

    It ends when nobody asks for more.

    Args:
        topics: with images; the first one leads.
        tolerance_ns: how far apart the stamps of a set may be.
        problem: told what cannot be decoded.

    Raises:
        PerceptionError: nobody publishes images there, or no set comes for a while.

    """
    context = Context()
    rclpy.init(context=context)
    executor = SingleThreadedExecutor(context=context)
    node = rclpy.create_node("perception_images", context=context)
    executor.add_node(node)
    inbox = _Inbox(topics, tolerance_ns, problem)
    try:
        for topic, type_name in _find_types(node, executor, topics).items():
            kind = message_class(type_name)
            node.create_subscription(kind, topic, partial(inbox.take, topic), qos.OF_CAMERAS[kind])
        heard = time.monotonic()
        while True:
            executor.spin_once(timeout_sec=_TICK_S)
            count = -1
            while inbox.count != count:  # all that waits, so that the newest is the newest
                count = inbox.count
                executor.spin_once(timeout_sec=0)
            if inbox.newest is not None:
                heard = time.monotonic()
                yield inbox.newest
                inbox.newest = None
            elif time.monotonic() - heard > _SILENCE_S:
                raise PerceptionError(
                    f"no image on {' and '.join(topics)} for {_SILENCE_S:g} s: does the camera run"
                    f"{' and do the stamps of both agree?' if len(topics) > 1 else '?'}"
                )
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


class _Inbox:
    """Decodes what comes, and keeps the newest set."""

    def __init__(
        self, topics: Sequence[str], tolerance_ns: int, problem: Callable[[str], None]
    ) -> None:
        self.count = 0
        self.newest: tuple[Frame, ...] | None = None
        self._topics = topics
        self._problem = problem
        self._decoders = {topic: Decoder() for topic in topics}
        self._pairer: StampPairer[Frame] = StampPairer(topics, tolerance_ns, self._drop)

    def _drop(self, reason: str, text: str) -> None:
        if reason != "UNPAIRED":  # which is no problem here: the network loses some
            self._problem(f"{reason}: {text}")

    def take(self, topic: str, message: object) -> None:
        self.count += 1
        for decoded in self._decoders[topic].decode(message):
            if isinstance(decoded, Frame):
                for _, found in self._pairer.push(topic, decoded.stamp_ns, decoded):
                    self.newest = tuple(found[name] for name in self._topics)
            elif isinstance(decoded, PerceptionError):
                self._problem(f"{topic}: {decoded}")


def _find_types(
    node: rclpy.node.Node, executor: SingleThreadedExecutor, topics: Sequence[str]
) -> dict[str, str]:
    deadline = time.monotonic() + discovery.PATIENCE_S
    while True:
        known = {
            name: types[0]
            for name, types in node.get_topic_names_and_types()
            if types and types[0] in IMAGE_TYPES
        }
        if set(topics) <= known.keys():
            return {topic: known[topic] for topic in topics}
        if time.monotonic() > deadline:
            missing = min(set(topics) - known.keys())
            raise PerceptionError(
                f"nobody publishes images on {missing}; with images there are: "
                f"{', '.join(sorted(known)) or 'none'} (ROS_DOMAIN_ID "
                f"{os.environ.get('ROS_DOMAIN_ID', '0')})"
            )
        executor.spin_once(timeout_sec=_TICK_S)
