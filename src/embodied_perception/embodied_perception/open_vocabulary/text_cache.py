"""What texts were encoded to, kept on disk for the next start."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

MOST_TEXTS = 200_000
_BATCH = 500  # SQLite takes so many values a question, and not many more
_TABLE = (
    "CREATE TABLE IF NOT EXISTS points "
    "(number INTEGER PRIMARY KEY, model TEXT, text TEXT, point BLOB, UNIQUE (model, text))"
)


def usual_path() -> Path:
    """Where the cache of this user lies."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "embodied_perception" / "texts.sqlite"


class TextCache:
    """Points of texts by model and text, in a SQLite file.

    It saves work and nothing else: where the file cannot be read or written, everything is new.
    The oldest texts go where there are more than :data:`MOST_TEXTS`.

    Args:
        path: of the file; it is made when something is written.

    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, model: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Those (D,) float32 that are there."""
        wanted = list(dict.fromkeys(texts))

        def select(database: sqlite3.Connection) -> dict[str, np.ndarray]:
            found = {}
            for start in range(0, len(wanted), _BATCH):
                part = wanted[start:][:_BATCH]
                marks = ", ".join("?" * len(part))
                question = f"SELECT text, point FROM points WHERE model = ? AND text IN ({marks})"  # noqa: S608
                for text, point in database.execute(question, (model, *part)):
                    found[text] = np.frombuffer(point, np.float32)
            return found

        return self._use(select) if self._path.is_file() else {}

    def write(self, model: str, points: Mapping[str, np.ndarray]) -> None:
        """Keep (D,) float32 of each text."""
        rows = [
            (model, text, np.ascontiguousarray(point, np.float32).tobytes())
            for text, point in points.items()
        ]

        def insert(database: sqlite3.Connection) -> dict[str, np.ndarray]:
            database.executemany(
                "INSERT OR REPLACE INTO points (model, text, point) VALUES (?, ?, ?)", rows
            )
            database.execute(
                "DELETE FROM points WHERE number <= (SELECT MAX(number) FROM points) - ?",
                (MOST_TEXTS,),
            )
            return {}

        self._use(insert)

    def _use(
        self, action: Callable[[sqlite3.Connection], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """What an action gives; nothing where it fails, and the file goes where it is none."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=2.0)) as database, database:
                database.execute(_TABLE)
                return action(database)
        except (OSError, sqlite3.OperationalError):  # locked, full, or not ours to write
            return {}
        except (sqlite3.DatabaseError, ValueError):
            self._path.unlink(missing_ok=True)
            return {}
