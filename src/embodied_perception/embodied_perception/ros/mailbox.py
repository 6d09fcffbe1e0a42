"""Where the newest input waits for a stage that is busy."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Mailbox(Generic[ItemT]):
    """Holds one item; a newer one replaces it, so that a slow stage never works on the past."""

    def __init__(self) -> None:
        self._item: ItemT | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: ItemT) -> ItemT | None:
        """Leave an item; returns the older one that it replaces, if any."""
        with self._changed:
            replaced, self._item = self._item, item
            self._changed.notify()
            return replaced

    def take(self) -> ItemT | None:
        """Wait for an item; ``None`` once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Let whoever waits go; what lies here is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
