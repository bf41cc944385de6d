from __future__ import annotations

import pytest

from services.processor.commands.terminal import cut, printable, printable_bytes, table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain – Ωμέγα 東京", "plain – Ωμέγα 東京"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("bell\x07 del\x7f c1\x9b31m", r"bell\x07 del\x7f c1\x9b31m"),
        ("\u202eevil", r"\u202eevil"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("line\u2028break", r"line\u2028break"),
        ("lone \ud800", r"lone \ud800"),
        ("tag \U000e0041", r"tag \U000e0041"),
    ],
)
def test_nothing_that_controls_a_terminal_gets_through(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    assert printable_bytes(b"ok \xff\xfe\x1b") == r"ok \xff\xfe\x1b"


def test_a_tab_may_be_kept() -> None:
    assert printable("a\tb\x1b", keep="\t") == "a\tb\\x1b"


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("東京都", 6, "東京都"),
        ("東京都", 5, "東京…"),
        ("東京都", 4, "東…"),
    ],
)
def test_a_cut_counts_columns(text: str, width: int, expected: str) -> None:
    assert cut(text, width) == expected


def test_columns_are_aligned_and_lines_cut() -> None:
    rows = [("1", "東京", "first"), ("22", "Rome", "second, which is long")]
    assert table(("n", "city", "what"), rows, None) == [
        "n   city  what",
        "1   東京  first",
        "22  Rome  second, which is long",
    ]
    assert table(("n", "city", "what"), rows, 20)[2] == "22  Rome  second, w…"
