"""Odometry over a long run: what a frame costs, and what is kept, from the first frame to the last.

A recording is played forth and back until enough frames are done, so that every place is seen over
and over. Timed is the odometry stage, from decoded images to a pose, with all that it publishes by
itself; on a machine that others use too, the processor's time (of all cores) says more than the
clock. Memory is that of the whole process, with the recording in it.

    ./run benchmark odometry_endurance --data src/embodied_perception_bringup/demo/demo_room.mcap
    ./run benchmark odometry_endurance --data ../shared/data/kitchen_rgbd
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from embodied_perception_interfaces.msg import OdometryStatus
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from odometry import Moment, Recording, parser_of, read, use_cores
from rich.console import Console
from rich.progress import track
from rich.table import Table

from embodied_perception.errors import PerceptionError

ROWS = 10
MEGABYTE = 1e6


@dataclass(frozen=True)
class Sample:
    """What one frame cost, and what there was after it."""

    ms: float
    cpu_ms: float
    memory_mb: float
    keyframes: int
    places: int
    loops: int
    is_lost: bool


def forth_and_back(recording: Recording, frames: int) -> Iterator[Moment]:
    """Moments of a recording, reversed at each end, a period after each other."""
    stamps_ns = np.array([recording.lead(moment).stamp_ns for moment in recording.moments])
    if len(stamps_ns) < 2:
        raise SystemExit("one frame has no period; give a recording of 2 or more")
    period_ns = int(np.median(np.diff(stamps_ns)))
    last = len(stamps_ns) - 1
    for count in range(frames):
        index = last - abs(last - count % (2 * last))
        later_ns = int(stamps_ns[0]) + count * period_ns - int(stamps_ns[index])
        moment = {}
        for name, frame in recording.moments[index].items():
            moment[name] = copy.copy(frame)  # with the views that are decoded already
            moment[name].stamp_ns += later_ns
        yield moment


def run(recording: Recording, frames: int, console: Console) -> list[Sample]:
    """Run the stage on so many frames."""
    stage = recording.runner.stage
    samples = []
    moments = forth_and_back(recording, frames)
    for moment in track(moments, "frames", frames, console=console, transient=True):
        start, cpu_start = time.perf_counter(), time.process_time()
        given = stage.process(**moment)
        ms = 1e3 * (time.perf_counter() - start)
        cpu_ms = 1e3 * (time.process_time() - cpu_start)
        status, values = given["status"], stage.status().values
        samples.append(
            Sample(
                ms,
                cpu_ms,
                memory_mb(),
                status.keyframes,
                int(values["places"]),
                int(values["loops"]),
                "odom" not in given or status.state == OdometryStatus.LOST,
            )
        )
    return samples


def memory_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def rows_of(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Figures of each tenth of the run; counts are those at its end, lost frames those in it."""
    ends = np.linspace(0, len(samples), min(ROWS, len(samples)) + 1).astype(int)
    rows = []
    for begin, end in pairwise(ends):
        part = samples[begin:end]
        ms, cpu_ms = [each.ms for each in part], [each.cpu_ms for each in part]
        rows.append(
            {
                "frames": int(end),
                "median_ms": round(float(np.median(ms)), 2),
                "p99_ms": round(float(np.quantile(ms, 0.99)), 2),
                "cpu_ms": round(float(np.median(cpu_ms)), 2),
                "p99_cpu_ms": round(float(np.quantile(cpu_ms, 0.99)), 2),
                "memory_mb": round(part[-1].memory_mb, 1),
                "keyframes": part[-1].keyframes,
                "places": part[-1].places,
                "loops": part[-1].loops,
                "lost": sum(sample.is_lost for sample in part),
            }
        )
    return rows


def show(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows."""
    table = Table(*(name.replace("_", "\n") for name in rows[0]))  # ten columns fit a terminal
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)


def figures(rows: Sequence[dict[str, Any]], samples: Sequence[Sample]) -> dict[str, Any]:
    """What the rows come to. Memory grows from the end of the first row, when all is loaded."""
    first, half, last = rows[0], rows[(len(rows) - 1) // 2], rows[-1]
    return {
        "frames": last["frames"],
        "ms_per_frame_first": first["median_ms"],
        "ms_per_frame_last": last["median_ms"],
        "ratio_last_to_first": round(last["median_ms"] / first["median_ms"], 3),
        "cpu_ratio_last_to_first": round(last["cpu_ms"] / first["cpu_ms"], 3),
        "p99_cpu_ms_first": first["p99_cpu_ms"],
        "p99_cpu_ms_last": last["p99_cpu_ms"],
        "p99_ms_first": first["p99_ms"],
        "p99_ms_last": last["p99_ms"],
        "slowest_ms": round(max(sample.ms for sample in samples), 2),
        "memory_mb": last["memory_mb"],
        "memory_growth_mb": round(last["memory_mb"] - first["memory_mb"], 1),
        "memory_growth_second_half_mb": round(last["memory_mb"] - half["memory_mb"], 1),
        "places": last["places"],
        "loops": last["loops"],
        "lost_frames": sum(row["lost"] for row in rows),
    }


def plot(samples: Sequence[Sample], rows: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Draw each frame's time, its median and 99 %, and memory on an axis of its own."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    times = figure.subplots()
    memory = times.twinx()
    counts = np.arange(1, len(samples) + 1)
    ends = [0, *(row["frames"] for row in rows)]
    times.plot(counts, [sample.ms for sample in samples], ".", color="0.75", ms=3, label="a frame")
    for name, label, colour in (
        ("p99_ms", "99 %", "tab:orange"),
        ("median_ms", "median", "tab:green"),
    ):
        values = [row[name] for row in rows]
        times.stairs(values, ends, baseline=None, color=colour, lw=2.2, label=label)
    memory_mb, colour = [sample.memory_mb for sample in samples], "tab:blue"
    memory.plot(counts, memory_mb, color=colour, label="memory")
    times.set(xlabel="frames", ylabel="time a frame [ms]", yscale="log", xlim=(0, len(samples)))
    memory.set_ylabel("resident memory [MB]", color=colour)
    memory.tick_params(axis="y", colors=colour)
    memory.set_ylim(0, 1.25 * max(memory_mb))
    times.legend(
        handles=[*times.lines, *times.patches, *memory.lines],
        loc="upper center",
        ncols=4,
        frameon=False,
    )
    figure.suptitle(title)
    times.grid(alpha=0.25)
    for axes in (times, memory):
        axes.spines["top"].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Run the benchmark."""
    parser = parser_of(__doc__)
    parser.add_argument("--frames", type=int, default=5000, help="default: %(default)s")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out/benchmarks/odometry_endurance")
    )
    arguments = parser.parse_args()
    if arguments.frames < 1:
        parser.error(f"--frames: got {arguments.frames}, expected 1 or more")
    arguments.output.mkdir(parents=True, exist_ok=True)
    console = Console()
    try:
        recording = read(arguments.data, arguments.mode, None)
        samples = run(recording, arguments.frames, console)
    except PerceptionError as error:
        raise SystemExit(str(error)) from error
    rows = rows_of(samples)
    show(console, rows)
    picture = arguments.output / f"{arguments.data.stem}.png"
    plot(samples, rows, picture, f"{len(samples)} frames of {arguments.data.name}, forth and back")
    console.print(f"picture: {picture}")
    print(json.dumps({"ours": figures(rows, samples)}))
    return 0


if __name__ == "__main__":
    use_cores()
    raise SystemExit(main())
