"""The transforms of a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tf2_msgs.msg import TFMessage

from embodied_perception.bags.message_types import type_name_of
from embodied_perception.bags.reader import BagReader
from embodied_perception.errors import BagError
from embodied_perception.stages.transforms import TRANSFORM_TOPICS, TransformHistory

_TYPE = type_name_of(TFMessage)


def read_transforms(
    path: Path, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> tuple[TransformHistory, list[str]]:
    """Read all of /tf and /tf_static.

    Args:
        path: the recording.
        progress: told after each message how many are done, and how many there are.

    Returns:
        The transforms, and what is wrong with the recording itself, a sentence each.

    Raises:
        BagError: there is no recording, or it holds no transforms.
    """
    history = TransformHistory()
    with BagReader(path) as bag:
        topics = [
            topic
            for topic in TRANSFORM_TOPICS
            if topic in bag.topics and bag.topics[topic].type_name == _TYPE
        ]
        total = sum(bag.topics[topic].count for topic in topics)
        for done, (topic, _, message) in enumerate(bag.messages(topics), start=1):
            history.take(message.transforms, TRANSFORM_TOPICS[topic])
            progress(done, total)
        history.set_time(bag.start_ns, bag.end_ns)
        skipped = [f"{topic}: {reason}" for topic, reason in bag.skipped.items()]
        damage = [f"the bag is damaged: {bag.damage}"] if bag.damage else []
        if history.is_empty:
            known = ", ".join(f"{each.name} ({each.type_name})" for each in bag.topics.values())
            raise BagError(
                f"{path}: no transforms, which are {_TYPE} on {' and '.join(TRANSFORM_TOPICS)}; "
                f"it holds {'; '.join([known or 'nothing', *skipped, *damage])}. Record them too: "
                f"ros2 bag record {' '.join(TRANSFORM_TOPICS)} ..."
            )
    return history, [*skipped, *damage]
