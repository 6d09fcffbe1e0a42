"""How long results take, as /diagnostics shows it."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

_SAMPLES = 300


class LatencyMeter:
    """Times of the last results. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: deque[tuple[float, float, float]] = deque(maxlen=_SAMPLES)

    def add(self, latency_s: float, age_s: float) -> None:
        """A result is out: since its input arrived, and since its image was taken."""
        with self._lock:
            self._seconds.append((time.monotonic(), latency_s, age_s))

    def read(self) -> dict[str, str]:
        """Rate, and median and 95th percentile of latency and age; empty without results."""
        with self._lock:
            samples = np.array(self._seconds)
        if len(samples) < 2:
            return {}
        rate_hz = (len(samples) - 1) / (samples[-1, 0] - samples[0, 0])
        latency_ms, age_ms = samples[:, 1] * 1e3, samples[:, 2] * 1e3
        return {
            "rate [Hz]": f"{rate_hz:.1f}",
            "latency, median [ms]": f"{np.median(latency_ms):.1f}",
            "latency, 95 % [ms]": f"{np.quantile(latency_ms, 0.95):.1f}",
            "age, median [ms]": f"{np.median(age_ms):.1f}",
            "age, 95 % [ms]": f"{np.quantile(age_ms, 0.95):.1f}",
        }
