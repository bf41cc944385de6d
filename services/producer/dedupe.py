"""Recognise what was read already, after stepping back in the stream."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class RecentlySeen:
    """Remembers the newest ``capacity`` keys."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[Hashable, None] = OrderedDict()

    def add(self, key: Hashable) -> bool:
        """Whether the key is new."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._capacity:
            self._keys.popitem(last=False)
        return True
