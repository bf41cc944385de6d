"""The ordinary pages of the demo wiki and the small edits they receive. Pure and seeded.

The page with a given number is the same in every run with one seed, and numbers never end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from random import Random
from typing import Any

from services.replay.seeding import seeded
from services.replay.wiki import Editor

HUMANS = tuple(
    Editor(name, 1000 + 37 * number)
    for number, name in enumerate(
        ("Quillfeather", "Old Tollkeeper", "Marshlight", "Ana of Bresk", "Copyfox", "Lanternjaw",
         "Rooksworth", "Third Verger", "Peat and Stone", "Hedgerow Annie", "Ferrymaster", "Ninepin")
    )
)  # fmt: skip
BOTS = tuple(
    Editor(name, 9000 + 11 * number, bot=True)
    for number, name in enumerate(("TidyBot", "CategoryDraughtsman (bot)", "RefMender-bot", "DashBot"))
)


class EditKind(StrEnum):
    FIGURE = "figure"
    SENTENCE = "sentence"
    TYPO = "typo"


@cache
def _templates() -> dict[str, Any]:
    text = resources.files("services.replay").joinpath("background_templates.json").read_text("utf-8")
    templates: dict[str, Any] = json.loads(text)
    return templates


@dataclass(slots=True)
class BackgroundPage:
    """A page as facts; ``text`` renders them. ``misspelt`` is a word that the text has wrong now."""

    title: str
    category: str
    sentences: list[str]
    extras: list[str]
    numbers: dict[str, int]
    words: dict[str, str]
    misspelt: tuple[str, str] | None = None
    editable: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        figures = {
            name: f"{value:,}" if name != "year" else str(value) for name, value in self.numbers.items()
        }
        text = " ".join(self.sentences).format_map(self.words | figures)
        return text.replace(*self.misspelt, 1) if self.misspelt else text

    def edit(self, rng: Random) -> tuple[str, bool]:
        """Change something small; the edit's comment, and whether it counts as minor."""
        if self.misspelt:
            self.misspelt = None
            return "spelling", True
        kind = rng.choices(list(EditKind), (60, 25 if self.extras else 0, 15))[0]
        if kind is EditKind.SENTENCE:
            self.sentences.append(self.extras.pop(0))
            return "added a sentence", False
        if kind is EditKind.TYPO:
            word = rng.choice([word for word in self.text.split() if word.isalpha() and len(word) > 5])
            self.misspelt = (word, word[:2] + word[3] + word[2] + word[4:])
            if self.misspelt[0] != self.misspelt[1]:
                return "reworded", False
            self.misspelt = None
        name = rng.choice(self.editable)
        step = max(1, self.numbers[name] // 50)
        self.numbers[name] += rng.choice((-step, step)) if self.numbers[name] > step else step
        return f"updated figure: {name}", False


def background_page(seed: int, number: int) -> BackgroundPage:
    rng = seeded(seed, "page", number)
    templates = _templates()
    kinds = templates["kinds"]
    kind = kinds[number % len(kinds)]
    name = "".join(rng.choice(part) for part in templates["name_syllables"])
    person = f"{rng.choice(templates['given_names'])} {rng.choice(templates['family_names'])}"
    words = {"name": name, "person": person, "region": rng.choice(templates["regions"])}
    words |= {word: rng.choice(choices) for word, choices in kind["words"].items()}
    return BackgroundPage(
        title=kind["title"].format_map(words),
        category=kind["category"].format_map(words),
        sentences=list(kind["sentences"]),
        extras=list(kind["extras"]),
        numbers={fact: rng.randint(low, high) for fact, (low, high) in kind["numbers"].items()},
        words=words,
        editable=[fact for fact in kind["numbers"] if fact != "year"],
    )
