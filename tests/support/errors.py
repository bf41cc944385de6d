"""What every error that an operator reads must be."""

from __future__ import annotations


def assert_one_clear_line(error: BaseException, *words: str) -> None:
    assert "\n" not in str(error)
    for word in words:
        assert word in str(error)
