"""Words that deny, reverse or exclude what is said: one of a pair in a question and the other in a sentence
make a different statement out of the same words. Pure."""

from __future__ import annotations

from functools import lru_cache

from shared.text import normalise_word, words

_NEGATIONS = frozenset(
    "not no never none nobody nothing neither nor without cannot except unlike fail failed fails lack lacks"
    " lacked refuse refused prevent prevented unable avoid avoided".split()
)
_PREFIXES = ("non", "un", "in", "im", "il", "ir", "dis", "anti")
_LEAST_STEM = 4
_PAIRS = """
first last; first second; second third; first third; before after; most least; more less; more fewer
north south; east west; northern southern; eastern western; left right; up down; over under; above below
northeast southwest; northwest southeast; northeast northwest; southeast southwest; vertical horizontal
inside outside; inner outer; internal external; upper lower; top bottom; front back
increase decrease; rise fall; rose fell; expand shrink; gain lose; growth decline; grow shrink
win lose; won lost; victory defeat; success failure; attack defend; offensive defensive
early late; earlier later; earliest latest; oldest newest; oldest youngest; older younger; old new
ancient modern; begin end; began ended; beginning end; start stop; start end; open close; arrive depart
enter leave; join leave; joined left; born died; birth death; live die; day night; summer winter
male female; men women; man woman; father mother; son daughter; brother sister; king queen; husband wife
support oppose; support opposition; support reject; support rejection; accept reject; approve disapprove
allow forbid; allow prevent; allow prohibit; encourage discourage; help hinder; cause prevent
largest smallest; larger smaller; large small; big small; highest lowest; higher lower; high low
longest shortest; longer shorter; long short; fastest slowest; faster slower; fast slow
strongest weakest; stronger weaker; strong weak; strength weakness; heavy light; maximum minimum
richest poorest; rich poor; hottest coldest; hotter colder; hot cold; best worst; better worse; good bad
positive negative; advantage disadvantage; benefit harm; easy difficult; simple complex; common rare
public private; religious secular; domestic foreign; urban rural; natural artificial; legal illegal
permanent temporary; active passive; static kinetic; similar different; same different; always never
import export; buy sell; bought sold; build destroy; built destroyed; create destroy; send receive
sent received; give take; gave took; teach learn; input output; include exclude; friend enemy; ally enemy
peace war; majority minority; major minor; presence absence; everyone nobody; all none; full empty
primary secondary; conservative liberal; protestant catholic
killed injured; killed wounded; killed missing; killed survived; dead injured; dead wounded; dead missing
dead alive; died injured; died survived; deaths injuries; injured missing; wounded missing
won leads; won leading; winner leader; winner loser; won nominated; elected nominated; proposed approved
proposed adopted; accused convicted; arrested convicted; charged convicted; convicted acquitted
announced released; planned completed; ordered delivered; planned built
"""


def _opposites() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in _PAIRS.replace("\n", ";").split(";"):
        if pair.strip():
            one, other = (normalise_word(word) for word in pair.split())
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in found.items()}


_OPPOSITES = _opposites()


@lru_cache
def denies(text: str) -> bool:
    """Whether the text has a word of denial."""
    lowered = [word.lower().replace("’", "'") for word in words(text)]
    return any(
        word in _NEGATIONS or word.endswith("n't") or word.startswith(("non-", "non–")) for word in lowered
    )


def reverses(question: str, sentence: str) -> bool:
    """Whether ``sentence`` has the opposite of a word in ``question`` and not that word."""
    asked = _normal(question)
    said = {normalise_word(word) for word in words(sentence)}
    added = said - asked
    return any(not _contraries(word).isdisjoint(added) for word in asked - said)


@lru_cache
def _normal(text: str) -> frozenset[str]:
    return frozenset(normalise_word(word) for word in words(text))


@lru_cache(maxsize=4096)
def _contraries(word: str) -> frozenset[str]:
    """Its opposites, and the word with a prefix that reverses it, or without one."""
    opposites = _OPPOSITES.get(word, frozenset())
    if len(word) < _LEAST_STEM:
        return opposites
    roots = (word[len(prefix) :] for prefix in _PREFIXES if word.startswith(prefix))
    return opposites.union(
        (prefix + word for prefix in _PREFIXES), (root for root in roots if len(root) >= _LEAST_STEM)
    )
