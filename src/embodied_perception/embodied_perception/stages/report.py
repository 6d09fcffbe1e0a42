"""What became of a stage's input: counted by reason, and shown in /diagnostics."""

from __future__ import annotations

import threading
from collections import Counter

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from embodied_perception.stages.stage import Status


class Report:
    """Counts of one stage. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dropped: Counter[str] = Counter()
        self._processed = 0
        self._last_problem = ""
        self._problems_told = 0
        self._processed_told = -1

    def drop(self, reason: str, detail: str) -> None:
        """An input was not used. ``reason`` is a code, ``detail`` a sentence."""
        with self._lock:
            self._dropped[reason] += 1
            self._last_problem = f"{reason}: {detail}"

    def count_processed(self) -> None:
        """An input was used."""
        with self._lock:
            self._processed += 1

    @property
    def has_news(self) -> bool:
        """Whether anything came since the last diagnostics."""
        with self._lock:
            problems = sum(self._dropped.values())
            return (self._processed, problems) != (self._processed_told, self._problems_told)

    @property
    def processed(self) -> int:
        """Inputs used so far."""
        return self._processed

    @property
    def dropped(self) -> dict[str, int]:
        """Inputs not used so far, by reason."""
        with self._lock:
            return dict(self._dropped)

    @property
    def last_problem(self) -> str:
        """The newest reason and its sentence, or nothing."""
        return self._last_problem

    def diagnostics(
        self, name: str, status: Status, stamp_ns: int, measured: dict[str, str] | None = None
    ) -> DiagnosticArray:
        """The message for /diagnostics.

        Problems since the last call make an otherwise good status a warning, and so does silence.

        Args:
            name: of the stage or node.
            status: what the stage says of itself.
            stamp_ns: now.
            measured: what only a live host can know, such as latency.
        """
        with self._lock:
            dropped = dict(self._dropped)
            new_problems = sum(dropped.values()) - self._problems_told
            self._problems_told += new_problems
            is_silent = not new_problems and self._processed == self._processed_told
            self._processed_told = self._processed
            processed, last_problem = self._processed, self._last_problem
        level, message = status.level, status.message
        if new_problems:
            message = last_problem if level == Status.OK else f"{message}; {last_problem}"
            level = max(level, Status.WARN)
        elif is_silent and level == Status.OK:
            level, message = Status.WARN, f"no images come any more; the last state was {message}"
        values = {"processed": str(processed), **status.values, **(measured or {})}
        values |= {f"dropped {reason}": str(dropped[reason]) for reason in sorted(dropped)}
        if last_problem:
            values["last problem"] = last_problem
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        return DiagnosticArray(
            header=Header(stamp=Time(sec=seconds, nanosec=nanoseconds)),
            status=[
                DiagnosticStatus(
                    level=bytes([level]),
                    name=name,
                    message=message,
                    hardware_id="embodied_perception",
                    values=[KeyValue(key=key, value=value) for key, value in values.items()],
                )
            ],
        )
