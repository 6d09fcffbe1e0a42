"""Recordings of a few messages."""

import pytest

from embodied_perception.bags import BagWriter


@pytest.fixture
def write(tmp_path):
    """Write (topic, message) in this order, a millisecond apart; returns the path."""

    def write(*messages):
        path = tmp_path / "a.mcap"
        with BagWriter(path) as bag:
            for number, (topic, message) in enumerate(messages):
                bag.write(topic, message, 10**9 + number * 10**6)
        return path

    return write
