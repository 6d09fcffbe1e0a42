"""A stage as a lifecycle node.

Configure reads the parameters and opens the topics; activate loads what the stage needs, subscribes
and starts to work; deactivate stops and lets it go. A stage that cannot be loaded leaves its node
inactive, to be activated again once that is mended. With ``autostart`` (the default) the node does
the first two by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.service import Service as RosService
from rclpy.task import Future
from rclpy.timer import Timer

from embodied_perception.errors import PerceptionError
from embodied_perception.ros import parameters, qos
from embodied_perception.ros.frame_hub import FrameHub
from embodied_perception.ros.latency import LatencyMeter
from embodied_perception.ros.mailbox import Mailbox
from embodied_perception.stages.decoding import Decoded
from embodied_perception.stages.runner import FrameSet, Source, StageRunner
from embodied_perception.stages.sinks import Sink
from embodied_perception.stages.stage import Service, Stage, Status
from embodied_perception.stages.transports import TRANSPORTS, transport_named

_DIAGNOSTICS_PERIOD_S = 1.0


class StageNode(LifecycleNode):
    """Runs one stage on a ROS graph.

    Args:
        stage_type: what to run; the node bears its name.
        hub: shared by the nodes of a process; a node on its own makes one.
        start_parameters: values to start with, in place of those of the command line.
    """

    def __init__(
        self,
        stage_type: type[Stage],
        hub: FrameHub | None = None,
        start_parameters: Sequence[Parameter] = (),
    ) -> None:
        super().__init__(stage_type.name, parameter_overrides=list(start_parameters))
        self._stage_type = stage_type
        self._hub = hub or FrameHub(self)
        self._runner: StageRunner | None = None
        self._sinks: dict[Sink, Publisher] = {}
        self._services_made: list[RosService] = []
        self._leave: list[Callable[[], None]] = []
        self._timer: Timer | None = None
        self._mailbox: Mailbox[tuple[float, FrameSet]] = Mailbox()
        self._worker: threading.Thread | None = None
        self._latency = LatencyMeter()
        self.add_on_set_parameters_callback(self._on_set_parameters)
        parameters.declare(self, stage_type.config_type)
        self.declare_parameter(
            "autostart",
            value=True,
            descriptor=ParameterDescriptor(description="configure and activate at start"),
        )
        self.declare_parameter(
            "image_transport",
            "raw",
            ParameterDescriptor(
                description="how images come; depth comes as compressedDepth where this is no form "
                "of it",
                additional_constraints=f"one of: {', '.join(TRANSPORTS)}",
            ),
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.RELIABLE)

    def autostart(self) -> None:
        """Configure and activate, if the parameter of that name says so."""
        if not self.get_parameter("autostart").value:
            return
        if self.trigger_configure() is TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Read the parameters, make the stage, its publishers and its services."""
        return self._try(self._open)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load, subscribe, start to work, and say what holds from the start."""
        assert self._runner is not None
        try:
            note = self._runner.load()
        except PerceptionError as error:
            self.get_logger().error(f"stays inactive: {error}")
            self._publish_diagnostics(Status(Status.ERROR, f"inactive: {error}"))
            return TransitionCallbackReturn.FAILURE
        if note:
            self.get_logger().warning(note)
        result = self._try(self._start)
        if result is TransitionCallbackReturn.SUCCESS:
            result = super().on_activate(state)  # from here on, publishers publish
            self._announce()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, and let go of the topics."""
        self._stop()
        if self._runner is not None:
            self._runner.unload()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Undo what configure made."""
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Undo everything."""
        self._stop()
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """A transition failed halfway: undo everything, so that it can be tried again."""
        self._stop()
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop before the node goes."""
        self._stop()
        super().destroy_node()

    def _LifecycleNodeMixin__on_change_state(  # noqa: N802 - takes the place of rclpy's own
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        # rclpy answers a transition that is impossible now with an exception that ends the process.
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)  # type: ignore[misc]
        except RuntimeError as error:
            self.get_logger().warning(f"refused: {str(error).splitlines()[0]}")
            response.success = False
            return response

    def _try(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        """Take a step; rclpy would not tell why one failed. ``on_error`` undoes what it did."""
        try:
            step()
        except Exception as error:
            if self.context.ok():  # else the process is about to end
                self.get_logger().error(f"{type(error).__name__}: {error}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _open(self) -> None:
        config = parameters.read(self, self._stage_type.config_type)
        runner = self._runner = StageRunner(self._stage_type, config)
        for sink in runner.sinks():
            topic = self.resolve_topic_name(sink.topic) + sink.suffix
            profile = qos.LAST if sink.latched else qos.RELIABLE
            self._sinks[sink] = self.create_lifecycle_publisher(sink.type, topic, profile)
        runner.is_wanted = self._is_wanted
        for service in runner.stage.services:
            answer = self._answer(runner, service)
            # In a group of its own: the other one, of the images, does not wait for an answer.
            group = MutuallyExclusiveCallbackGroup() if service.at_once else None
            self._services_made.append(
                self.create_service(service.type, service.topic, answer, callback_group=group)
            )

    def _start(self) -> None:
        assert self._runner is not None
        self._mailbox = Mailbox()
        self._worker = threading.Thread(target=self._work, name=self.get_name(), daemon=True)
        self._worker.start()
        name = self.get_parameter("image_transport").value
        for source in self._runner.sources(self._runner.transports(name)):
            self._leave.append(self._listen(self._runner, source))
        # On the steady clock: when a simulation's clock stands still, one wants to know why.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(
            _DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=steady
        )

    def _stop(self) -> None:
        while self._leave:
            self._leave.pop()()
        self._mailbox.close()
        if self._worker is not None:
            self._worker.join()
            self._worker = None
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None

    def _close(self) -> None:
        for publisher in self._sinks.values():
            self.destroy_publisher(publisher)
        self._sinks.clear()
        while self._services_made:
            self.destroy_service(self._services_made.pop())
        self._runner = None

    # What arrives is put into the mailbox; the worker takes it from there.

    def _listen(self, runner: StageRunner, source: Source) -> Callable[[], None]:
        topic = self.resolve_topic_name(source.topic) + source.suffix
        profile = qos.LATCHED if source.latched else qos.OF_CAMERAS.get(source.type, qos.RELIABLE)

        def take(decoded: Decoded) -> None:
            for ready in runner.accept(source, decoded):
                if self._mailbox.put((time.monotonic(), ready)) is not None:
                    runner.report.drop("TOO_SLOW", "a newer image came before this one's turn")

        return self._hub.listen(topic, source.type, profile, take)

    def _work(self) -> None:
        runner = self._runner
        assert runner is not None
        while (item := self._mailbox.take()) is not None:
            arrived, ready = item
            try:
                for sink, message in runner.process(ready):
                    self._sinks[sink].publish(message)
            except Exception as error:
                self.get_logger().error(f"{type(error).__name__}: {error}")
                runner.report.drop("INTERNAL", f"{type(error).__name__}: {error}")
            now_ns = self.get_clock().now().nanoseconds
            self._latency.add(time.monotonic() - arrived, (now_ns - ready.stamp_ns) * 1e-9)

    def _announce(self) -> None:
        assert self._runner is not None
        for sink, message in self._runner.announce(self.get_clock().now().nanoseconds):
            self._sinks[sink].publish(message)

    def _is_wanted(self, sink: Sink) -> bool:
        return not sink.on_demand or self._sinks[sink].get_subscription_count() > 0

    # Questions and answers.

    def _answer(self, runner: StageRunner, service: Service) -> Callable[[Any, Any], Any]:
        fields = service.type.Response.get_fields_and_field_types()
        text_field = next(name for name, kind in fields.items() if kind == "string")

        def call(request: Any) -> tuple[Any, bool]:
            try:
                return runner.call(service, request), True
            except PerceptionError as error:
                return str(error), False

        def fill(response: Any, said: Any, success: bool) -> Any:
            response.success = success
            for name, value in (said if isinstance(said, dict) else {text_field: said}).items():
                setattr(response, name, value)
            if success and runner is self._runner:
                self._announce()
            return response

        def answer(request: Any, response: Any) -> Any:
            return fill(response, *call(request))

        async def answer_meanwhile(request: Any, response: Any) -> Any:
            return fill(response, *await self._aside(call, request))

        return answer_meanwhile if service.at_once else answer

    def _aside(self, work: Callable[[Any], Any], request: Any) -> Future:
        """Work in a thread of its own, so that images are taken meanwhile."""
        executor = self.executor
        assert executor is not None, "it called the service"
        done = Future(executor=executor)

        def run() -> None:
            try:
                done.set_result(work(request))
            except Exception as error:
                done.set_exception(error)
            executor.wake()  # whoever awaits is not told otherwise

        threading.Thread(target=run, name=f"{self.get_name()} answer", daemon=True).start()
        return done

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            if change.name == "image_transport":
                try:
                    transport_named(change.value, "any")
                except PerceptionError as error:
                    return SetParametersResult(successful=False, reason=str(error))
        if self._runner is None:
            # Nothing runs yet: configure will check the whole.
            return SetParametersResult(successful=True)
        config, result = parameters.changed(self._runner.stage.config, changes)
        if result.successful:
            try:
                self._runner.reconfigure(config)
            except PerceptionError as error:
                return SetParametersResult(successful=False, reason=str(error))
            self._announce()
        return result

    def _publish_diagnostics(self, status: Status | None = None) -> None:
        if self._runner is None:
            return
        name = self.get_fully_qualified_name().removeprefix("/")
        now_ns = self.get_clock().now().nanoseconds
        status = status or self._runner.stage.status()
        measured = self._latency.read()
        message = self._runner.report.diagnostics(name, status, now_ns, measured)
        self._diagnostics.publish(message)
