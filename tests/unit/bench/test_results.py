from __future__ import annotations

import pytest

from bench.results import latencies, with_block


def test_latencies_are_in_milliseconds() -> None:
    assert latencies([0.001 * number for number in range(1, 101)]) == {
        "p50": 50.0,
        "p95": 95.0,
        "p99": 99.0,
        "max": 100.0,
        "n": 100,
    }


def test_a_block_is_replaced_between_its_comments() -> None:
    text = "one\n<!-- x -->\nold\nlines\n<!-- /x -->\ntwo\n"
    assert with_block(text, "x", "new") == "one\n<!-- x -->\nnew\n<!-- /x -->\ntwo\n"


def test_a_page_without_the_comments_is_refused() -> None:
    with pytest.raises(ValueError, match="<!-- x -->"):
        with_block("one\n", "x", "new")
