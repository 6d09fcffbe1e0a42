"""The life of a process with nodes in it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from embodied_perception.errors import PerceptionError

#: Python hands the interpreter from thread to thread every 5 ms by default: too long to let a
#: result wait while another message is deserialised.
_SWITCH_INTERVAL_S = 0.0005


def spin(make_nodes: Callable[[], Sequence[Node]], arguments: Sequence[str] | None = None) -> int:
    """Make nodes and run them until the process is asked to end; returns its exit status."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    rclpy.init(args=None if arguments is None else list(arguments))
    nodes: Sequence[Node] = ()
    try:
        nodes = make_nodes()
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except (PerceptionError, rclpy.exceptions.ParameterException) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the last word of a process
        return 2
    except RuntimeError:  # rclpy's own errors are
        if rclpy.ok():
            raise
        return 0  # asked to end while still starting
    finally:
        # A second Ctrl-C must not cut through the destruction of the nodes.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
