from __future__ import annotations

import pytest

from services.api.answering.support import supports
from tests.support.hits import a_hit, evidence_of

TOLL = evidence_of(
    a_hit("As of 14:20 the earthquake has killed 47 people. Another 120 were injured in Port Alden.")
)


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("The earthquake in Velmora killed 47 people.", True),
        ("47 people were killed.", True),
        ("As of 14:20, the earthquake has killed 47 people.", True),
        ("The earthquake killed 48 people.", False),
        ("The earthquake killed 14:20 people.", False),
        ("The earthquake in Quelland killed 47 people.", False),
        ("The earthquake has not killed 47 people.", False),
        ("The bridge collapsed when lorries crossed the river with 47 people.", False),
        ("The earthquake killed 47 people high.", False),
        ("47.", False),
        ("", False),
    ],
)
def test_a_sentence_is_supported_only_by_what_the_source_says(sentence: str, supported: bool) -> None:
    assert supports(TOLL, sentence) is supported


def test_a_number_from_beside_other_words_is_not_support() -> None:
    both = evidence_of(a_hit("The quake destroyed 300 houses in the old town, and later killed 47 people."))
    assert supports(both, "The quake killed 47 people.")
    assert not supports(both, "The quake killed 300 people.")


def test_a_misspelt_name_is_not_support() -> None:
    leader = evidence_of(a_hit("After the fifth game, Teodor Blaze leads the Hjorra chess final."))
    assert supports(leader, "Teodor Blaze leads the Hjorra chess final.")
    assert not supports(leader, "Teodore Blaze leads the Hjorra chess final.")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        # One count for another.
        ("The quake killed 47 people in Velmora and 12 in Quelland.", "The quake killed 12 people."),
        ("The quake killed 47 people and injured 12.", "The quake killed 12 people."),
        ("The quake destroyed 300 houses, killed 47 people.", "The quake killed 300 people."),
        ("In 2024 it killed 12 people, in 2025 it killed 47 people.", "In 2024 it killed 47 people."),
        # One name for another.
        ("In the final Ada Lind beat Bo Karl.", "In the final Bo Karl beat Ada Lind."),
        ("In the final Lind beat Karl.", "In the final Karl beat Lind."),
        ("Mayor Ada Lind accused Bo Karl of fraud.", "Ada Lind was accused of fraud."),
        # What was denied, feared or is over.
        ("Officials denied that 47 people were killed.", "47 people were killed."),
        ("Reports that 47 people were killed are false.", "47 people were killed."),
        ("The quake did not kill anyone but injured 12.", "The quake did not injure anyone but kill 12."),
        ("The dam may collapse and flood 300 houses.", "The dam collapses and floods 300 houses."),
        ("The shipyard will cut 450 jobs.", "The shipyard cut 450 jobs."),
        ("The mayor of the city was Ada Lind.", "The mayor of the city is Ada Lind."),
        # Another sign or unit.
        ("It fell to -3 degrees at night.", "It fell to 3 degrees at night."),
        ("By noon 47% of people had voted.", "By noon 47 people had voted."),
    ],
)
def test_the_words_of_the_source_in_another_sense_are_not_support(source: str, sentence: str) -> None:
    evidence = evidence_of(a_hit(source))
    assert supports(evidence, source), "what the source says itself is supported"
    assert not supports(evidence, sentence)


def test_one_word_that_is_not_the_source_s_spoils_a_long_sentence() -> None:
    source = (
        "On Monday the strong earthquake near the old harbour of the town has killed 47 people and hurt many."
    )
    assert supports(evidence_of(a_hit(source)), source)
    assert not supports(evidence_of(a_hit(source)), source.replace("killed", "saved"))


def test_the_question_s_own_claims_are_not_support() -> None:
    assert not supports(TOLL, "The alien attack killed 47 people.")


def test_the_page_s_name_does_not_replace_the_sentence_s() -> None:
    karl = a_hit("Ada Lind resigned on Monday. Then he resigned too.", title="Bo Karl")
    assert not supports(evidence_of(karl, 0), "Bo Karl resigned on Monday.")
    assert supports(evidence_of(karl, 0), "Ada Lind resigned on Monday.")
    assert supports(evidence_of(karl, 1), "Then Bo Karl resigned too.")


@pytest.mark.parametrize("figure", ["58%", "58 percent", "58 per cent"])
def test_per_cent_is_written_in_several_ways(figure: str) -> None:
    source = evidence_of(a_hit("The reservoir of the Karsk Dam is 58 per cent full."))
    assert supports(source, f"The reservoir of the Karsk Dam is {figure} full.")


def test_where_nothing_can_be_mixed_up_words_may_change_places() -> None:
    source = evidence_of(a_hit("This year the lottery was won by Ada Lind."))
    assert supports(source, "Ada Lind won the lottery this year.")
