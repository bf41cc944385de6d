"""A signal ends a command between two steps, never in the middle of one."""

from __future__ import annotations

import threading


class Stopped(Exception):
    """The message is for the user: what has been done, and what has not."""


def check(stop: threading.Event) -> None:
    """:raises Stopped: a signal has arrived."""
    if stop.is_set():
        raise Stopped
