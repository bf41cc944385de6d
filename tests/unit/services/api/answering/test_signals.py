from __future__ import annotations

import pytest

from services.api.answering.signals import Signals, signals, states_something_else

TITLE = "Velmora earthquake"
SENTENCE = "As of 14:20 the earthquake has killed 47 people in German villages."


def _signals(question: str) -> Signals:
    return signals(question, TITLE, SENTENCE, 0.7)


def test_a_sentence_that_answers_lacks_nothing() -> None:
    assert _signals("How many people has the earthquake in Velmora killed?") == Signals(
        relevance=0.7,
        coverage=1,
        missing_name=0,
        missing_number=0,
        question_denies=0,
        only_question_denies=0,
        reversed_word=0,
        nothing_of_the_kind=0,
    )


@pytest.mark.parametrize(
    ("question", "signal"),
    [
        ("How many people has the earthquake in Quelland killed?", "missing_name"),
        ("How many people had the earthquake killed by 16:00?", "missing_number"),
        ("How many people has the earthquake not killed?", "question_denies"),
        ("How many people has the earthquake not killed?", "only_question_denies"),
        ("How many people has the earthquake injured?", "reversed_word"),
        ("Who was killed in Velmora?", None),
        ("When did the 14:20 earthquake in Velmora kill 47 people?", "nothing_of_the_kind"),
    ],
)
def test_what_is_amiss(question: str, signal: str | None) -> None:
    found = _signals(question)
    if signal is not None:
        assert getattr(found, signal) == 1


def test_other_forms_of_a_word_are_the_word() -> None:
    found = _signals("How many people in Germany and Velmora were killed?")
    assert found.coverage == 1
    assert found.missing_name == 0
    assert _signals("How many people in Greece were killed?").missing_name == 1


def test_numbers_have_no_other_forms() -> None:
    assert signals("What of 12345?", "", "It was 1234567.", 0.5).missing_number == 1


def test_coverage_is_the_share_of_content_words() -> None:
    assert _signals("Which earthquake closed bridges?").coverage == pytest.approx(1 / 3)


def test_a_follow_up_is_not_held_to_the_words_before_it() -> None:
    found = _signals("How many houses in Velmora collapsed? And how many people were killed?")
    assert found.coverage == 1
    assert _signals("How many houses in Quelland fell? And how many people were killed?").missing_name == 1


@pytest.mark.parametrize("sentence", [SENTENCE, "The earthquake has not killed 47 people.", "It injured 12."])
@pytest.mark.parametrize(
    "question",
    [
        "How many people has the earthquake killed?",
        "How many people had the earthquake killed by 16:00?",
        "How many of the 47 people killed were in Greece?",
        "How many people has the earthquake not killed?",
        "How many people has the earthquake injured?",
    ],
)
def test_a_sentence_states_something_else_where_its_signals_say_so(question: str, sentence: str) -> None:
    found = signals(question, TITLE, sentence, 0.7)
    expected = bool(found.missing_number or found.only_question_denies or found.reversed_word)
    assert states_something_else(question, TITLE, sentence) is expected
