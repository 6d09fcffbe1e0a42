"""A stage slower than its camera, and two stages that share one."""

import time

from embodied_perception.ros.frame_hub import FrameHub
from embodied_perception.stages.odometry import OdometryStage

COLOR = "/camera/color/image_raw/compressed"


class Slow(OdometryStage):
    """Notes what it gets, and takes a tenth of a second over it."""

    def __init__(self, config, transforms):
        super().__init__(config, transforms)
        self.seen = []

    def process(self, color, depth):
        self.seen.append((time.monotonic(), color, depth))
        time.sleep(0.1)
        return {}


class Other(Slow):
    name = "other"


def test_the_newest_wins_and_the_rest_is_counted(graph, camera, host, diagnostics):
    node = host(Slow)
    camera.graph.until(camera.heard, "subscribers")
    camera.send_infos()
    first_ns = camera.send()
    graph.until(lambda: node._runner.stage.seen, "the first pair")
    sent = {first_ns: time.monotonic()}
    for _ in range(60):
        sent[camera.send()] = time.monotonic()
        time.sleep(0.01)
    last_ns = camera.stamp_ns
    seen = node._runner.stage.seen
    graph.until(lambda: seen[-1][1].stamp_ns == last_ns, "the newest pair")

    stamps = [color.stamp_ns for _, color, _ in seen]
    assert stamps == sorted(set(stamps))
    assert 3 < len(stamps) < len(sent) / 2
    # A queue would have let the last one wait for 60 x 0.1 s.
    assert max(at - sent[color.stamp_ns] for at, color, _ in seen[1:]) < 1.0
    graph.until(lambda: diagnostics().get("processed") == str(len(stamps)), "the last report")
    # Best effort may lose one on the way; none is dropped without being counted.
    too_slow = int(diagnostics()["dropped TOO_SLOW"])
    assert len(sent) - 3 <= len(stamps) + too_slow <= len(sent)


def test_stages_of_one_process_share_frames_and_subscriptions(graph, camera, host):
    hub = FrameHub(graph.node)
    nodes = [host(Slow, hub), host(Other, hub)]
    graph.until(camera.heard, "subscribers")
    camera.send_infos()
    camera.send()
    one, other = (node._runner.stage.seen for node in nodes)
    graph.until(lambda: one and other, "a pair in both stages")
    assert one[0][1] is other[0][1]
    assert one[0][2] is other[0][2]

    subscribers = lambda: graph.node.count_subscribers(COLOR)  # noqa: E731
    assert subscribers() == 1
    nodes[0].trigger_deactivate()
    camera.send()
    graph.until(lambda: len(other) == 2, "a pair in the stage that stays")
    assert (len(one), subscribers()) == (1, 1)
    nodes[1].trigger_deactivate()
    graph.until(lambda: subscribers() == 0, "the end of the shared subscription")
