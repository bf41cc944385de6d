"""Where a question speaks of a stretch of time, and of which. Pure.

Only the wording is read here; whether it is about when pages changed, ``time_window`` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from whenever import Date, Time, ZonedDateTime

from services.api.answering.time_points import (
    CLOCK,
    DATE,
    DAY,
    NUMBER,
    POINT,
    UNIT,
    WEEKDAY,
    Period,
    Point,
    at,
    back,
    exact_ago,
    length,
    resolve,
    whole_day,
)

_CHANGES = r"(?:edits?|changes?|updates?|revisions?|additions?|deletions?|news|headlines)"
_START = r"(?<![\w.,:/'’-])(?=\w)"
# Not in "last-minute", "10:00:30" or "today's Warsaw", but in "yesterday's edits".
_END = rf"(?:['’]s(?=\s+{_CHANGES}\b))?(?![\w:'’-])(?!\.\d)"
# Counted from something else than now: "the last hour of the film", "the last two days before the war".
_FROM_NOW = r"(?!\s+(?:of|before|prior|leading|until|when|that|which|where)\b)"
_ON_DAY = rf"(?:(?:on\s+)?{DAY},?\s+)?"
_ROLLING = (
    r"(?P<preposition>(?:in|within|over|during|for|from|throughout)\s+)?(?:of\s+)?"
    # A plural needs its number ("the past years"); "the last minute" is a figure of speech.
    rf"(?:(?:(?:the|these)\s+)?(?:last|past)\s+(?P<length>{NUMBER}[\s-]*{UNIT})"
    r"|(?:the\s+)?(?:(?:last|past)\s+(?P<hour>hour|hr)|past\s+(?P<past>minute|day|week|month))"
    rf"|the\s+last\s+(?P<last>day|week|month)){_END}{_FROM_NOW}"
)
_BETWEEN = (
    rf"(?P<between_day>{_ON_DAY})(?:between\s+(?P<from>{POINT}|\d{{1,2}})\s+and"
    rf"|from\s+(?P<from_too>{POINT}|\d{{1,2}})\s+(?:to|until|till))\s+(?P<to>{POINT}){_END}"
)
_RELATED = (
    rf"(?P<related_day>{_ON_DAY})(?:ever\s+)?(?P<relation>since|after|before|until|till|up\s+to)\s+"
    rf"(?P<point>{POINT}){_END}{_FROM_NOW}"
)
_PERIOD = (
    r"(?:(?:earlier|later?|early)\s+)?(?:(?P<on>on)\s+|(?:in|at|over|during|from|of)\s+)?"
    rf"(?P<period>(?!{CLOCK}(?!\s+(?:on\s+)?{DAY})){POINT}){_END}(?!\s+(?:of|was|were|is|are)\b)"
)
_EXPRESSION = re.compile(
    rf"{_START}(?:{_BETWEEN}|{_RELATED}|(?P<rolling>{_ROLLING})|{_PERIOD})", re.IGNORECASE
)
_ONLY_ON = re.compile(rf"{WEEKDAY}|{DATE}", re.IGNORECASE)


class Form(StrEnum):
    """How it is worded. ``BEFORE`` is open towards the past; all that is none of the others is a
    ``PERIOD``: "yesterday", "between 9 and 11 am", "after noon"."""

    ROLLING = "in the last hour"
    MENTIONED = "the last hour"
    SINCE = "since Monday"
    BEFORE = "before Monday"
    PERIOD = "on Monday"


@dataclass(frozen=True, slots=True)
class Expression:
    """``text`` stands at ``position`` in the question. ``until`` is not part of the stretch; ``None``
    leaves that end open."""

    text: str
    position: int
    form: Form
    since: ZonedDateTime | None
    until: ZonedDateTime | None

    @property
    def dated(self) -> bool:
        """It names a day of a month."""
        return re.search(DATE, self.text, re.IGNORECASE) is not None

    @property
    def without_year(self) -> bool:
        return self.dated and re.search(r"\d{4}", self.text) is None


_Stretch = tuple[Form, ZonedDateTime | None, ZonedDateTime | None]


def find_expressions(question: str, now: ZonedDateTime) -> Iterator[Expression]:
    """Those that have begun by ``now``, in order; what names no real day or time is left out."""
    for match in _EXPRESSION.finditer(question):
        try:
            form, since, until = _stretch(match, now)
        except ValueError:
            continue
        begun = since or until
        if begun is not None and begun <= now:
            yield Expression(match[0], match.start(), form, since, until)


def _stretch(match: re.Match[str], now: ZonedDateTime) -> _Stretch:
    if match["rolling"] is not None:
        text = match["length"] or match["hour"] or match["past"] or match["last"]
        form = Form.ROLLING if match["preposition"] else Form.MENTIONED
        return form, back(now, *length(text)), None
    if match["to"] is not None:
        since, until = _between(match["between_day"], match["from"] or match["from_too"], match["to"], now)
        return Form.PERIOD, since, until
    if match["relation"] is not None:
        return _related(match["related_day"], match["relation"].lower(), match["point"], now)
    text = match["period"]
    if match["on"] is None and _ONLY_ON.match(text):
        raise ValueError(f"not clearly a time: {text!r}")
    point = resolve(text, now)
    if point.clock is None:
        return Form.PERIOD, point.period.start, point.period.end
    if point.day is None:
        raise ValueError(f"not clearly a time: {text!r}")
    day = whole_day(point.day, now)
    return Form.PERIOD, day.start, day.end


def _related(day_text: str, relation: str, text: str, now: ZonedDateTime) -> _Stretch:
    forward = relation in {"since", "after"}
    form = Form.SINCE if relation == "since" else Form.PERIOD
    moment = exact_ago(text, now)
    if moment is not None:
        return (form, moment, None) if forward else (Form.BEFORE, None, moment)
    point = resolve(text, now)
    clock = point.clock
    if clock is None:
        if day_text:
            raise ValueError(f"two days: {day_text!r} and {text!r}")
        if forward:
            return form, point.period.start if relation == "since" else point.period.end, None
        return Form.BEFORE, None, point.period.start if relation == "before" else point.period.end
    named = _day_of(day_text, now)
    day = named or point.day
    if forward:
        moment = point.period.start if day is None else at(day, clock, now)
        return form, moment, whole_day(named, now).end if named and relation == "after" else None
    day = day or now.date()
    return Form.PERIOD, *_not_empty(at(day, Time(), now), at(day, clock, now))


def _between(
    day_text: str, first_text: str, last_text: str, now: ZonedDateTime
) -> tuple[ZonedDateTime, ZonedDateTime]:
    last = resolve(last_text, now)
    first = resolve(_with_unit(first_text, last_text) if first_text.isdigit() else first_text, now)
    day = _day_of(day_text, now) or first.day or last.day
    if day is None and first.clock is not None:
        day = first.period.start.date()
    start = _placed(first, day, now).start
    end = _placed(last, day, now).end
    if end <= start and last.clock and last.day is None and day is not None:
        end = at(day.add(days=1), last.clock, now)
    elif end <= start and first.weekly:
        start = start.subtract(days=7)
    return _not_empty(start, end)


def _with_unit(hour: str, last_text: str) -> str:
    """The "9" of "between 9 and 11 am"; that of "between 11 and 2 pm" is in the other half of the day."""
    last = re.match(r"(\d{1,2})(?::\d{2})?\s?([ap])\.?m", last_text, re.IGNORECASE)
    if last is None:
        if re.match(CLOCK, last_text, re.IGNORECASE) is None:
            raise ValueError(f"not clearly a time: {hour!r}")
        return f"{hour}:00"
    half = last[2].lower()
    if int(hour) % 12 > int(last[1]) % 12:
        half = "a" if half == "p" else "p"
    return f"{hour} {half}m"


def _day_of(text: str, now: ZonedDateTime) -> Date | None:
    text = re.sub(r"^on\s+|,?\s+$", "", text, flags=re.IGNORECASE)
    return resolve(text, now).day if text else None


def _placed(point: Point, day: Date | None, now: ZonedDateTime) -> Period:
    if day is None or point.clock is None or point.day is not None:
        return point.period
    moment = at(day, point.clock, now)
    return Period(moment, moment)


def _not_empty(start: ZonedDateTime, end: ZonedDateTime) -> tuple[ZonedDateTime, ZonedDateTime]:
    if start >= end:
        raise ValueError(f"nothing lies between {start} and {end}")
    return start, end
