from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.producer.sentences import describe_change, readable_comment


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("", ""),
        ("/* Life */", "Life"),
        ("/* Life */ new job", "Life: new job"),
        ("see [[Paris]] and [[Paris|the city]]", "see Paris and the city"),
        ("/* */ tidy\n up", "tidy up"),
        ("[[unclosed", "[[unclosed"),
    ],
)
def test_comments_without_markup(comment: str, expected: str) -> None:
    assert readable_comment(comment) == expected


def test_a_sentence_ends_once() -> None:
    assert describe_change("edit", "Rivers", "Added a lake.") == "Rivers was edited: Added a lake."
    assert describe_change("create", "Rivers", None) == "Rivers was created."
    assert describe_change("move", "Rivers", None, "River") == "Rivers was renamed from River."


@given(st.text(), st.text(min_size=1), st.text())
def test_it_is_never_empty(kind: str, title: str, comment: str) -> None:
    text = describe_change(kind, title, comment)
    assert text.startswith(title)
    assert text.strip()
