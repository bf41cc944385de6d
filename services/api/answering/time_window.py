"""What a question says about when: "in the last hour", "since Monday" → a window of ``updated_at``. Pure.

A date in a question is about its subject more often than about when the page changed ("Who was president
in March 1933?"). So a window is only taken where the question speaks of now or of changes; where in doubt,
there is none, and everything is searched. The rule stands in docs/adr/0016-time-in-the-question.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from whenever import Instant, ZonedDateTime

from services.api.answering.time_expressions import Expression, Form, find_expressions
from services.api.answering.time_points import MONTH, WEEKDAY
from shared.domain import truncate_to_milliseconds

LONGEST_WINDOW = timedelta(days=62)
"""Back from now; further back, a question is about history."""
LONGEST_WINDOW_OF_CHANGES = timedelta(days=366)
MAX_CHARACTERS = 2000
MAX_EXPRESSIONS = 8
"""What is longer, or has more of them, is no question, and would only cost time."""
_TICK = timedelta(milliseconds=1)

_CHANGE = re.compile(
    r"\b(?:edit(?:s|ed|ing|ors?)?|updat(?:e|es|ed|ing)|chang(?:e|es|ed|ing)|revis(?:ed|ions?)|revert(?:s|ed)?"
    r"|modified|rewritten|indexed)\b",
    re.IGNORECASE,
)
_NEWS = re.compile(
    r"\b(?:news|headlines?|developments?|happening|going on|unfolding|summari[sz]e|summary|recap|digest"
    r"|what(?:['’]s| is) new|anything new|new (?:pages|articles|documents))\b",
    re.IGNORECASE,
)
_EVENT = re.compile(
    r"\b(?:happened|occurred|did|was|were|announced|reported|confirmed|said|died|killed|injured|hurt|arrested"
    r"|resigned|elected|appointed|won|lost|beat|scored|struck|hit|launched|created|deleted|removed|added|renamed"
    r"|moved|published|posted|pushed)\b",
    re.IGNORECASE,
)
_PRESENT = re.compile(
    # "Can you tell me what happened" and "Is it true that he resigned" are about the past.
    r"\b(?:(?:do|can|could|will|would)(?!\s+(?:you|we|anyone)\b)|(?:is|are)(?!\s+(?:it|there)\b)"
    r"|isn|aren|am|don|does|doesn|may|might|must|shall|should|still"
    r"|exists?|lives?|remains?|stands?|usually|always|every)\b|['’]s\s+(?:the|an?|called|known)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"(?:\b(?:in|of|since|by|until|till|during|after|before|from|to|around|circa|between|and|year)\s+(?:the\s+)?"
    rf"(?:(?:year|early|late|mid|{MONTH})[\s-]+)*|\b{MONTH}\s+|,\s*)(?P<year>1\d{{3}}|20\d{{2}})s?\b",
    re.IGNORECASE,
)
_ERA = re.compile(r"\bcentur(?:y|ies)\b|\b(?-i:BCE?|CE)\b", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|„[^“”]*[“”]")
_NOT_RELATIVE = re.compile(r"\b(?:as|even|still|the)\s+$", re.IGNORECASE)
_OTHER_DAY = rf"(?:on\s+)?(?:last\s+)?(?:{WEEKDAY}|today|yesterday|earlier|later)"
_LISTED_AFTER = re.compile(rf"\s*(?:,|(?:,\s*)?\b(?:and|or))\s+{_OTHER_DAY}\b", re.IGNORECASE)
_LISTED_BEFORE = re.compile(rf"\b{_OTHER_DAY}\s*(?:,|(?:,\s*)?\b(?:and|or))\s+$", re.IGNORECASE)
_NAMES_OF_TIMES = re.compile(rf"{WEEKDAY}|{MONTH}|[ap]\.?m\.?|utc|gmt", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """``since`` and ``until`` are inclusive, UTC, and at most one is ``None``. ``phrase`` stands in the
    question; ``None``: the bounds are from elsewhere."""

    since: datetime | None
    until: datetime | None
    phrase: str | None


@dataclass(frozen=True, slots=True)
class TimedQuestion:
    """``text`` is the question without the window's phrase, which would only mislead retrieval; as it
    was, where nothing else would be left."""

    text: str
    window: TimeWindow | None


def read_time(question: str, now: datetime, time_zone: str) -> TimedQuestion:
    """``time_zone``: IANA name of the zone whose days and clock the question means.

    Two expressions that both would count contradict each other: no window then.
    """
    if len(question) > MAX_CHARACTERS:
        return TimedQuestion(question, None)
    local = Instant(now.astimezone(UTC)).to_tz(time_zone)
    expressions = list(islice(find_expressions(question, local), MAX_EXPRESSIONS + 1))
    if len(expressions) > MAX_EXPRESSIONS:
        return TimedQuestion(question, None)
    found = [item for item in expressions if _applies(item, question, local)]
    if len(found) != 1:
        return TimedQuestion(question, None)
    (expression,) = found
    window = TimeWindow(
        None if expression.since is None else _utc(expression.since),
        # An end that has not come yet is left open: the next change must be found too.
        None if expression.until is None or expression.until > local else _utc(expression.until) - _TICK,
        expression.text,
    )
    return TimedQuestion(_without(question, expression) or question, window)


def _applies(expression: Expression, question: str, now: ZonedDateTime) -> bool:
    rest = _without(question, expression)
    changes = _CHANGE.search(rest) is not None
    if _is_one_of_several(expression, question) or _is_a_name(expression, question):
        return False
    if _speaks_of_another_time(rest, expression, changes, now):
        return False
    if expression.form is Form.ROLLING:
        return True
    news = changes or _NEWS.search(rest) is not None
    if expression.form is Form.MENTIONED:
        return news
    told = news or (_EVENT.search(rest) is not None and _PRESENT.search(rest) is None)
    if expression.form is Form.SINCE:
        return told or not expression.dated
    if expression.form is Form.BEFORE or expression.without_year:
        return changes
    return told


def _speaks_of_another_time(rest: str, expression: Expression, changes: bool, now: ZonedDateTime) -> bool:
    oldest = expression.since or expression.until
    assert oldest is not None
    rolling = expression.form in {Form.ROLLING, Form.MENTIONED}
    longest = LONGEST_WINDOW_OF_CHANGES if rolling and changes else LONGEST_WINDOW
    if _utc(oldest) < _utc(now) - longest:
        return True
    if rolling and changes:
        return False
    years = {match["year"] for match in _YEAR.finditer(rest)}
    return bool(years - {str(oldest.year), str(now.year)}) or _ERA.search(rest) is not None


def _is_one_of_several(expression: Expression, question: str) -> bool:
    """ "on Monday or Tuesday": one of them alone would be wrong."""
    before, after = question[: expression.position], question[expression.position + len(expression.text) :]
    return _LISTED_AFTER.match(after) is not None or _LISTED_BEFORE.search(before) is not None


def _is_a_name(expression: Expression, question: str) -> bool:
    """Of a work ("Yesterday", Saturday Night Live), or no time of its own ("as of today")."""
    start, end = expression.position, expression.position + len(expression.text)
    if any(match.start() < start < match.end() for match in _QUOTED.finditer(question)):
        return True
    before = question[:start]
    if _NOT_RELATIVE.search(before) is not None:
        return True
    if question.isupper():
        return False
    words = re.findall(r"[^\W\d_][\w.]*", expression.text)
    begins_sentence = re.search(r"(?:^|[.!?:;\n])\s*$", before) is not None
    checked = words[1:] if begins_sentence else words
    if any(word[0].isupper() and _NAMES_OF_TIMES.fullmatch(word) is None for word in checked):
        return True
    # "on Sunday Times"
    return bool(words) and words[-1][0].isupper() and re.match(r"\s+[A-Z]", question[end:]) is not None


def _without(question: str, expression: Expression) -> str:
    start, end = expression.position, expression.position + len(expression.text)
    before, after = question[:start].rstrip(" ,\t"), question[end:]
    if not before.strip():
        after = after.lstrip(" ,;:-–\t")
    text = (
        f"{before} {after.lstrip()}"
        if before and re.match(r"\s*[\w(\"“]", after)
        else before + after.lstrip(" \t")
    )
    return text.strip() if re.search(r"\w", text) else ""


def _utc(moment: ZonedDateTime) -> datetime:
    return truncate_to_milliseconds(moment.to_instant().to_stdlib())
