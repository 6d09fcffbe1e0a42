"""One line on the terminal and one log file for each step of the set-up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from workspace.layout import WorkspaceError

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
NO_NETWORK = re.compile(
    r"NewConnectionError|name resolution|Network is unreachable|Name or service not known"
    r"|ConnectTimeoutError|ReadTimeoutError|ProxyError|Connection refused"
)


class Step:
    """Runs commands, shows that something happens, and keeps what they print."""

    def __init__(self, title: str, log: Path) -> None:
        self.title = title
        self.log = log
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Step:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        if not self._terminal:
            self._print(f"{self.title} ...\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        seconds = time.monotonic() - self._start
        if kind is None:
            self._line(f"✓ {self.title}  {seconds:.0f} s")
        elif self._terminal:
            self._line(f"✗ {self.title}  {seconds:.0f} s")

    def command(self, argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> None:
        """Run ``argv``; raise :class:`WorkspaceError` with the end of the log where it fails."""
        with self.log.open("ab") as sink:
            sink.write(f"$ {' '.join(map(str, argv))}\n".encode())
            sink.flush()
            process = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdout=sink,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
            try:
                self._watch(process)
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if process.returncode:
            raise WorkspaceError(explain(self.title, self.log))

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        if not self._terminal:
            process.wait()
        frame = 0
        while process.poll() is None:
            frame += 1
            seconds = time.monotonic() - self._start
            text = f"{SPINNER[frame % len(SPINNER)]} {self.title}  {seconds:.0f} s"
            self._print(f"\r\x1b[K{self._fit(f'{text}  {last_line(self.log)}')}")
            time.sleep(0.1)

    def _line(self, text: str) -> None:
        self._print(f"\r\x1b[K{text}\n" if self._terminal else f"{text}\n")

    def _fit(self, text: str) -> str:
        return text[: shutil.get_terminal_size().columns - 1]

    @staticmethod
    def _print(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    with log.open("rb") as source:
        source.seek(max(0, os.fstat(source.fileno()).st_size - 2000))
        lines = [line.strip() for line in source.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")


def explain(title: str, log: Path) -> str:
    """Say why a step failed: in one line where the cause is known, else by the end of its log."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if NO_NETWORK.search(text):
        return f"{title}: no network: pip cannot reach its package index; see {log}"
    if "No space left on device" in text:
        return f"{title}: the disk is full; free some space and start again; see {log}"
    tail = "\n".join(f"  {line}" for line in text.splitlines()[-15:])
    return f"{title} failed; the end of {log}:\n{tail}"
