from __future__ import annotations

import pytest

from services.api.answering.vocabulary import Vocabulary

TEXT = Vocabulary(
    "The European Court of Justice met in Germany and in Chinese cities; Anglo-Norman law, 2,021."
)


@pytest.mark.parametrize("word", ["Germany", "German", "germans", "Europe", "China", "city", "ECJ", "2021"])
def test_a_word_is_found_in_its_forms(word: str) -> None:
    assert TEXT.has(word)


def test_the_parts_around_a_hyphen_will_do() -> None:
    assert Vocabulary("Norman and Anglo law").has("Anglo-Norman")
    assert not Vocabulary("Norman law").has("Anglo-Norman")


@pytest.mark.parametrize("word", ["Gerund", "Quelland", "JE", "202", "2022", "Euro-Norman", "ecj"])
def test_another_word_is_not_found(word: str) -> None:
    assert not TEXT.has(word)


def test_a_decimal_is_not_its_parts() -> None:
    assert not Vocabulary("12 of 5").has("12.5")


def test_a_longer_name_is_another_name() -> None:
    assert not Vocabulary("Tavish Quell plays.").has("Quelland")
