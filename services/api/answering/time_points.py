"""Points in time as people name them ("yesterday evening", "9 am", "20 November") → periods of a local
calendar. Pure.

The calendar arithmetic (month ends, weeks, days of 23 and 25 hours) is ``whenever``'s. A name that fits
many days ("Tuesday", "9 am") means the latest that has begun.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from whenever import Date, Time, ZonedDateTime

WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)?"
DATE = (
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}|(?:{WEEKDAY},?\s+)?(?:the\s+)?"
    rf"(?:{_ORDINAL}\s+(?:of\s+)?{MONTH}|{MONTH}\s+{_ORDINAL})(?:,?\s+\d{{4}})?)"
)
# A weekday before a date belongs to that date; "Tuesday evenings" are all of them.
_BARE_WEEKDAY = (
    rf"{WEEKDAY}(?!,?\s+(?:the\s+)?(?:\d{{1,4}}(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH}|{MONTH}|\d{{4}})\b)"
    r"(?!\s+(?:mornings|afternoons|evenings|nights)\b)"
)
DAY = rf"(?:(?:the\s+)?day\s+before\s+yesterday|today|yesterday|{DATE}|(?:last\s+)?{_BARE_WEEKDAY})"
_PART = r"(?:morning|afternoon|evening|night)"
CLOCK = (
    r"(?:(?:noon|midday|midnight|\d{1,2}(?::\d{2})?\s?(?:am|pm|a\.m\.|p\.m\.)|\d{1,2}:\d{2}"
    r"|\d{1,2}\s+o['’]clock)(?:\s?(?:utc|gmt))?)"
)
NUMBER = (
    r"(?:\d{1,4}|an?|half\s+an|half|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen"
    r"|twenty|thirty|forty|sixty|ninety|(?:a\s+)?couple(?:\s+of)?|(?:a\s+)?few)"
)
UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|(?<=\d)[smhdw])"
AGO = rf"(?:{NUMBER}[\s-]*{UNIT}\s+ago)"
_NAMED = (
    r"(?:this\s+(?:morning|afternoon|evening)|tonight|last\s+night|(?:this|last)\s+(?:week|month)"
    r"|(?:the|this|last)\s+weekend)"
)
POINT = (
    rf"(?:{_NAMED}|{AGO}|{CLOCK}\s+(?:on\s+)?{DAY}"
    rf"|{DAY}(?:\s+(?:in\s+the\s+)?{_PART}\b|,?\s+(?:at\s+)?{CLOCK}|(?!\s+(?:in\s+the\s+)?{_PART}\b))|{CLOCK})"
)
"""As a pattern without groups, for texts in any case."""

_COUNTS = {
    **{"a": 1, "an": 1, "couple": 2, "few": 3},
    **{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9},
    **{"ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40},
    **{"sixty": 60, "ninety": 90},
}  # fmt: skip
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_PARTS = {"morning": (0, 12), "afternoon": (12, 18), "evening": (17, 24), "night": (18, 30)}
"""Hours after the day's midnight. They overlap: a filter must not exclude what one may have meant."""


@dataclass(frozen=True, slots=True)
class Period:
    """``end`` is not part of it; a time of day has no length."""

    start: ZonedDateTime
    end: ZonedDateTime


@dataclass(frozen=True, slots=True)
class Point:
    """A point as written: its ``day`` and its ``clock``, where it names them."""

    period: Period
    day: Date | None = None
    clock: Time | None = None
    weekly: bool = False


def length(text: str) -> tuple[float, str]:
    """``"30 minutes"`` → ``(30, "m")``; units are ``s``, ``m``, ``h``, ``d``, ``w``, ``month``."""
    match = re.fullmatch(rf"(?P<number>{NUMBER}[\s-]*)?(?P<unit>{UNIT})", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"no length of time: {text!r}")
    words = (match["number"] or "one").lower().replace("-", " ").split()
    unit = match["unit"].lower()
    return _count(words), "month" if unit.startswith("mo") else unit[0]


def _count(words: list[str]) -> float:
    if "half" in words:
        return 0.5
    (word,) = [word for word in words if word not in {"a", "an", "of"}] or ["a"]
    return float(_COUNTS.get(word, word))


def back(now: ZonedDateTime, number: float, unit: str) -> ZonedDateTime:
    """That long before ``now``: exact up to hours, by the calendar from days on.

    :raises ValueError: before the calendar begins.
    """
    if unit in _SECONDS:
        return now.subtract(seconds=number * _SECONDS[unit])
    count = int(number)
    return now.subtract(
        days=count if unit == "d" else 0,
        weeks=count if unit == "w" else 0,
        months=count if unit == "month" else 0,
    )


def exact_ago(text: str, now: ZonedDateTime) -> ZonedDateTime | None:
    """The moment that "an hour ago" names after "since"; ``None`` for anything else."""
    if re.fullmatch(AGO, text, re.IGNORECASE) is None:
        return None
    number, unit = length(re.sub(r"\s+ago$", "", text, flags=re.IGNORECASE))
    return back(now, number, unit) if unit in _SECONDS else None


def resolve(text: str, now: ZonedDateTime) -> Point:
    """What ``POINT`` matches, seen from ``now``.

    :raises ValueError: there is no such day or time.
    """
    text = re.sub(r"\s+", " ", text.lower())
    if re.search(r"\b(?:utc|gmt)\b", text):
        return resolve(re.sub(r" ?\b(?:utc|gmt)\b", "", text), now.to_tz("UTC"))
    today = now.date()
    if text.endswith(" ago"):
        return Point(_ago(text.removesuffix(" ago"), now))
    if text.endswith((" week", " month")):
        return Point(_week_or_month(text, now))
    if text.endswith(" weekend"):
        return Point(_weekend(text, now))
    if text in {"tonight", "last night"}:
        night = today if text == "tonight" else today.subtract(days=1)
        return Point(day_part(night, "night", now), day=night)
    if text.startswith("this "):
        return Point(day_part(today, text.removeprefix("this "), now), day=today)
    return _day_and_time(text, now)


def _day_and_time(text: str, now: ZonedDateTime) -> Point:
    clock_match = re.search(rf"(?:^|(?<= )){CLOCK}(?= |$)", text)
    part_match = re.search(rf" (?:in the )?({_PART})$", text)
    day_match = re.search(DAY, text)
    clock = None if clock_match is None else clock_time(clock_match[0])
    if day_match is None:
        if clock is None:
            raise ValueError(f"no point in time: {text!r}")
        moment = at(now.date(), clock, now)
        if moment > now:
            moment = at(now.date().subtract(days=1), clock, now)
        return Point(Period(moment, moment), clock=clock)
    day = _day(day_match[0], now.date())
    weekly = re.fullmatch(rf"(?:last )?{WEEKDAY}", day_match[0]) is not None

    def period(day: Date) -> Period:
        if clock is not None:
            return Period(at(day, clock, now), at(day, clock, now))
        return day_part(day, part_match[1], now) if part_match else whole_day(day, now)

    if weekly and period(day).start > now:
        day = day.subtract(days=7)
    return Point(period(day), day, clock, weekly)


def _day(text: str, today: Date) -> Date:
    if text == "today":
        return today
    if text.endswith("yesterday"):
        return today.subtract(days=2 if "before" in text else 1)
    if re.fullmatch(rf"(?:last )?{WEEKDAY}", text):
        target = _WEEKDAYS.index(text.removeprefix("last ")) + 1
        days = (today.day_of_week().value - target) % 7
        return today.subtract(days=7 if days == 0 and text.startswith("last ") else days)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return Date.parse_iso(text)
    return _written_date(text, today)


def _written_date(text: str, today: Date) -> Date:
    """Without a year: the latest that has begun."""
    month = next(_MONTHS.index(name[:3]) + 1 for name in re.findall(rf"\b{MONTH}", text))
    day = next(int(number) for number in re.findall(r"\b(\d{1,2})(?:st|nd|rd|th)?\b", text))
    year = re.search(r"\b\d{4}$", text)
    if year is not None:
        return Date(int(year[0]), month, day)
    date = Date(today.year, month, day)
    return date if date <= today else Date(today.year - 1, month, day)


def clock_time(text: str) -> Time:
    """:raises ValueError: there is no such time of day."""
    if text.startswith(("noon", "midday")):
        return Time(12)
    if text.startswith("midnight"):
        return Time()
    hour, *minute = (int(number) for number in re.findall(r"\d+", text))
    half = re.search(r"([ap])\.?m", text)
    if half is not None:
        if not 1 <= hour <= 12:
            raise ValueError(f"no time of day: {text!r}")
        hour = hour % 12 + (12 if half[1] == "p" else 0)
    return Time(hour, minute[0] if minute else 0)


def at(day: Date, clock: Time, now: ZonedDateTime) -> ZonedDateTime:
    """In the time zone of ``now``. A time that the clocks skip is moved past the gap; of one that they
    repeat, the first is meant."""
    return day.at(clock).assume_tz(_zone(now), disambiguation="compatible")


def whole_day(day: Date, now: ZonedDateTime) -> Period:
    return Period(at(day, Time(), now), at(day.add(days=1), Time(), now))


def day_part(day: Date, part: str, now: ZonedDateTime) -> Period:
    first, last = _PARTS[part]
    return Period(at(day, Time(first), now), at(day.add(days=last // 24), Time(last % 24), now))


def _week_or_month(text: str, now: ZonedDateTime) -> Period:
    month = text.endswith("month")
    first = now.date().start_of("month" if month else "week_mon")
    if text.startswith("last "):
        first = first.subtract(months=1) if month else first.subtract(weeks=1)
    after = first.add(months=1) if month else first.add(weeks=1)
    return Period(at(first, Time(), now), at(after, Time(), now))


def _weekend(text: str, now: ZonedDateTime) -> Period:
    """The latest that has begun; at a weekend, "last weekend" is the one before."""
    saturday = now.date().add(days=2).start_of("week_mon").subtract(days=2)
    if text.startswith("last ") and now.date() < saturday.add(days=2):
        saturday = saturday.subtract(days=7)
    return Period(at(saturday, Time(), now), at(saturday.add(days=2), Time(), now))


def _ago(text: str, now: ZonedDateTime) -> Period:
    """Up to hours, give or take half of it; from days on, the whole day, week or month."""
    number, unit = length(text)
    if unit in _SECONDS:
        return Period(back(now, 1.5 * number, unit), back(now, 0.5 * number, unit))
    moment = back(now, number, unit)
    if unit == "d":
        return whole_day(moment.date(), now)
    return _week_or_month("this week" if unit == "w" else "this month", moment)


def _zone(now: ZonedDateTime) -> str:
    if now.tz_id is None:
        raise ValueError("a time zone with a name is required")
    return now.tz_id
