from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.api.chat.rendering import as_markdown, sources_list, without_sources
from shared.domain import Citation

CITATION = Citation(
    marker=1,
    document_id="w:7",
    title="Velmora earthquake",
    url="https://meridian.wiki.example/Velmora_(city)",
    revision=12,
    updated_at=datetime(2026, 11, 22, 9, 29, 48, tzinfo=UTC),
    quote="The toll is 41.",
    score=0.83,
)
LINE = "- [1] Velmora earthquake, 2026-11-22 09:29 UTC"


def test_each_source_is_a_line_with_its_marker_time_and_address() -> None:
    second = replace(CITATION, marker=2, title="", url="")
    assert sources_list([CITATION, second]) == (
        f"\n\nSources:\n{LINE}: {CITATION.url}\n- [2] w:7, 2026-11-22 09:29 UTC"
    )
    assert sources_list([]) == ""


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://x.example/a b", "https://x.example/<b>", "https://x.example/\n"]
)
def test_an_address_that_is_none_is_left_out(url: str) -> None:
    assert sources_list([replace(CITATION, url=url)]).endswith(LINE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The toll is 41 [1].", "The toll is 41 [1]."),
        ("5 < 6 [1][2]", "5 < 6 [1]\\[2]"),
        ("![x](https://evil.example/?q=1)", "!\\[x]\\(https://evil.example/?q=1)"),
        ("[bank](https://evil.example)", "[bank]\\(https://evil.example)"),
        ("<img src=x>", "\\<img src=x>"),
        ("\\<img src=x>", "\\\\\\<img src=x>"),
        ("<!-- x -->", "\\<!-- x -->"),
        ("`code`", "\\`code\\`"),
    ],
)
def test_what_markdown_would_load_or_disguise_is_escaped(text: str, expected: str) -> None:
    assert as_markdown(text) == expected


def test_a_title_cannot_begin_a_line() -> None:
    title = "Velmora\n\nSources:\n- [2] https://evil.example"
    (line,) = sources_list([replace(CITATION, title=title)]).strip().split("\n")[1:]
    assert line.startswith("- [1] Velmora Sources: - [2]")


def test_the_list_is_cut_off_again() -> None:
    assert without_sources("The toll is 41 [1]." + sources_list([CITATION])) == "The toll is 41 [1]."
    assert without_sources("Sources: none") == "Sources: none"
