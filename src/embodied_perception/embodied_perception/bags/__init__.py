"""Recordings: read and write ROS 2 bags, and turn public datasets into bags."""

from embodied_perception.bags.reader import BagReader, TopicInfo
from embodied_perception.bags.writer import BagWriter

__all__ = ["BagReader", "BagWriter", "TopicInfo"]
