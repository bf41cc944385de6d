from __future__ import annotations

import pytest

from services.api.answering.question import (
    AnswerKind,
    Subject,
    Turn,
    expected_kind,
    offers,
    required_names,
    standalone_question,
    subject,
)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many people died?", AnswerKind.NUMBER),
        ("What is the current score?", AnswerKind.NUMBER),
        ("Who is the mayor of Port Alden?", AnswerKind.PERSON),
        ("When does the bridge open?", AnswerKind.TIME),
        ("Why was the ferry stopped?", AnswerKind.ANY),
    ],
)
def test_expected_kind(question: str, kind: AnswerKind) -> None:
    assert expected_kind(question) is kind


@pytest.mark.parametrize(
    ("kind", "sentence", "expected"),
    [
        (AnswerKind.NUMBER, "It killed 47 people in 2026.", True),
        (AnswerKind.NUMBER, "It happened in 2026.", False),
        (AnswerKind.PERSON, "The mayor is Ilse Varnholt.", True),
        (AnswerKind.PERSON, "The mayor of Port Alden resigned.", False),
        (AnswerKind.TIME, "It opens on Monday.", True),
        (AnswerKind.TIME, "It opens soon.", False),
        (AnswerKind.ANY, "Because of fog.", True),
        (AnswerKind.ANY, "What Port Alden did.", False),
    ],
)
def test_offers_something_the_question_does_not_say(kind: AnswerKind, sentence: str, expected: bool) -> None:
    assert offers(kind, sentence, "What of Port Alden in 2026?") is expected


def test_a_follow_up_is_read_with_the_question_before_it() -> None:
    history = [Turn("user", "How many died in Velmora?"), Turn("assistant", "47.")]
    assert standalone_question("And how many were hurt?", history) == (
        "How many died in Velmora? And how many were hurt?"
    )
    assert standalone_question("Who won in Port Alden?", history) == "Who won in Port Alden?"
    assert standalone_question("And how many were hurt?", []) == "And how many were hurt?"


def test_a_second_follow_up_still_knows_what_it_is_about() -> None:
    history = [Turn("user", "How many died in Velmora?"), Turn("user", "And how many were hurt?")]
    assert standalone_question("And when was it?", history) == "How many died in Velmora? And when was it?"


def test_a_follow_up_decides_what_kind_of_answer_is_expected() -> None:
    assert expected_kind("How many people died in Velmora? And when was it?") is AnswerKind.TIME
    assert expected_kind("How many people died in Velmora? Tell me, please.") is AnswerKind.NUMBER


def test_a_name_takes_its_number_along() -> None:
    assert subject("When does Petrel 5 launch 12 satellites?", lambda _: False) == Subject(
        frozenset({"petrel"}), frozenset({"5"})
    )


def test_capitals_mean_nothing_where_everything_is_capital() -> None:
    assert required_names("Who leads Port Alden?") == {"port", "alden"}
    assert required_names("WHO LEADS PORT ALDEN NOW?") == frozenset()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("how did the skarn get to quelland", {"skarn", "quelland"}),
        ("How did the skarn reach people in quelland?", {"quelland"}),
        ("Quelland is where?", {"quelland"}),
        ("How did the skarn grow?", set()),  # typed by one who knows where capitals belong
        ("How did the skarn reach Treval?", {"treval"}),
    ],
)
def test_rare_words_are_names_where_capitals_are_missing(question: str, expected: set[str]) -> None:
    assert subject(question, lambda word: word.lower() in ("skarn", "quelland")).names == expected
