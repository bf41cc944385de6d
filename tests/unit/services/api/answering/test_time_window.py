"""Time expressions in questions. ``NOW`` is a Monday."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api.answering.time_window import TimeWindow, read_time

BERLIN = "Europe/Berlin"
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=ZoneInfo(BERLIN))


def local(window: TimeWindow | None, zone: str = BERLIN) -> tuple[str | None, str | None]:
    """Since and until on the clocks of ``zone``; ``until`` as the first moment outside."""
    assert window is not None
    since, until = window.since, window.until
    return (
        since and since.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M"),
        until and (until + timedelta(milliseconds=1)).astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M"),
    )


@pytest.mark.parametrize(
    ("question", "phrase", "since", "until"),
    [
        # lengths
        ("What happened in the last hour?", "in the last hour", "11-23 13:30", None),
        ("What happened in last hour?", "in last hour", "11-23 13:30", None),
        ("What changed in the past 30 minutes?", "in the past 30 minutes", "11-23 14:00", None),
        ("Who died in the last 24h?", "in the last 24h", "11-22 14:30", None),
        ("Who was hurt within the last half hour?", "within the last half hour", "11-23 14:00", None),
        ("Who resigned in the last couple of hours?", "in the last couple of hours", "11-23 12:30", None),
        ("What changed in the last few minutes at the port?", "in the last few minutes", "11-23 14:27", None),
        ("news of the last two days", "of the last two days", "11-21 14:30", None),
        ("Is there anything on Velmora over the past week?", "over the past week", "11-16 14:30", None),
        ("Summarise the last hour", "the last hour", "11-23 13:30", None),
        ("What changed in the last three months?", "in the last three months", "08-23 14:30", None),
        ("WHAT HAPPENED IN THE LAST HOUR?", "IN THE LAST HOUR", "11-23 13:30", None),
        # days
        ("What happened today?", "today", "11-23 00:00", None),
        ("What's happened in Velmora today?", "today", "11-23 00:00", None),
        ("What is happening today?", "today", "11-23 00:00", None),
        ("Which pages changed this morning?", "this morning", "11-23 00:00", "11-23 12:00"),
        ("What was edited yesterday evening?", "yesterday evening", "11-22 17:00", "11-23 00:00"),
        ("What did the mayor say yesterday?", "yesterday", "11-22 00:00", "11-23 00:00"),
        ("Show me yesterday's edits", "yesterday's", "11-22 00:00", "11-23 00:00"),
        ("What changed the day before yesterday?", "the day before yesterday", "11-21 00:00", "11-22 00:00"),
        ("What happened last night?", "last night", "11-22 18:00", "11-23 06:00"),
        ("What's new this week?", "this week", "11-23 00:00", None),
        ("What changed last week?", "last week", "11-16 00:00", "11-23 00:00"),
        ("What changed last month?", "last month", "10-01 00:00", "11-01 00:00"),
        ("What happened on Tuesday?", "on Tuesday", "11-17 00:00", "11-18 00:00"),
        ("What happened on Tuesday evening?", "on Tuesday evening", "11-17 17:00", "11-18 00:00"),
        ("What happened on Monday?", "on Monday", "11-23 00:00", None),
        ("What happened last Monday?", "last Monday", "11-16 00:00", "11-17 00:00"),
        ("What happened on Monday evening?", "on Monday evening", "11-16 17:00", "11-17 00:00"),
        ("What was edited on 20 November?", "on 20 November", "11-20 00:00", "11-21 00:00"),
        ("Who died on Friday, 20 Nov 2026?", "on Friday, 20 Nov 2026", "11-20 00:00", "11-21 00:00"),
        ("What was edited at 9 am yesterday?", "at 9 am yesterday", "11-22 00:00", "11-23 00:00"),
        ("What happened over the weekend?", "over the weekend", "11-21 00:00", "11-23 00:00"),
        ("Can you tell me what happened yesterday?", "yesterday", "11-22 00:00", "11-23 00:00"),
        ("Is it true that the mayor resigned today?", "today", "11-23 00:00", None),
        # ago
        ("What happened in Velmora an hour ago?", "an hour ago", "11-23 13:00", "11-23 14:00"),
        ("What was edited 30 minutes ago?", "30 minutes ago", "11-23 13:45", "11-23 14:15"),
        ("Who died two days ago?", "two days ago", "11-21 00:00", "11-22 00:00"),
        # since
        ("What happened since Monday?", "since Monday", "11-23 00:00", None),
        ("Since Friday, what has changed?", "Since Friday", "11-20 00:00", None),
        ("How many trains run since 9 am?", "since 9 am", "11-23 09:00", None),
        ("What happened since 22:00?", "since 22:00", "11-22 22:00", None),
        ("What happened since 9 a.m. yesterday?", "since 9 a.m. yesterday", "11-22 09:00", None),
        ("Anything new since yesterday evening?", "since yesterday evening", "11-22 17:00", None),
        ("What changed since an hour ago?", "since an hour ago", "11-23 13:30", None),
        ("What changed since 2026-11-20?", "since 2026-11-20", "11-20 00:00", None),
        ("What changed since November 20th, 2026?", "since November 20th, 2026", "11-20 00:00", None),
        ("What changed since midnight UTC?", "since midnight UTC", "11-23 01:00", None),
        # before, after, between
        ("What was edited before noon?", "before noon", "11-23 00:00", "11-23 12:00"),
        ("What was edited before noon yesterday?", "before noon yesterday", "11-22 00:00", "11-22 12:00"),
        ("What was edited until 18:00?", "until 18:00", "11-23 00:00", None),
        ("What changed before Monday?", "before Monday", None, "11-23 00:00"),
        ("What changed until Friday?", "until Friday", None, "11-21 00:00"),
        ("What happened after 9 am?", "after 9 am", "11-23 09:00", None),
        ("What happened yesterday after 18:00?", "yesterday after 18:00", "11-22 18:00", "11-23 00:00"),
        ("edits between 10:00 and 12:00", "between 10:00 and 12:00", "11-23 10:00", "11-23 12:00"),
        ("edits between 13:00 and 15:00", "between 13:00 and 15:00", "11-23 13:00", None),
        ("edits between 16:00 and 17:00", "between 16:00 and 17:00", "11-22 16:00", "11-22 17:00"),
        ("edits between 9 and 11 am", "between 9 and 11 am", "11-23 09:00", "11-23 11:00"),
        ("edits between 11 and 2 pm", "between 11 and 2 pm", "11-23 11:00", "11-23 14:00"),
        ("edits from 10 to 11 am yesterday", "from 10 to 11 am yesterday", "11-22 10:00", "11-22 11:00"),
        ("edits today between 1:00 and 12:00", "today between 1:00 and 12:00", "11-23 01:00", "11-23 12:00"),
        ("edits between 22:00 and 2:00", "between 22:00 and 2:00", "11-22 22:00", "11-23 02:00"),
        ("edits between Monday and Wednesday", "between Monday and Wednesday", "11-16 00:00", "11-19 00:00"),
        ("edits from 2026-11-01 to 2 Nov", "from 2026-11-01 to 2 Nov", "11-01 00:00", "11-03 00:00"),
    ],
)  # fmt: skip
def test_a_time_that_counts_from_now(
    question: str, phrase: str, since: str | None, until: str | None
) -> None:
    read = read_time(question, NOW, BERLIN)
    assert read.window is not None
    assert (read.window.phrase, *local(read.window)) == (phrase, since, until)


@pytest.mark.parametrize(
    "question",
    [
        # history
        "What happened in the 2019 election?",
        "Who was president in March 1933?",
        "What happened on Tuesday, 5 March 1933?",
        "What happened today in 1945?",
        "What happened on Sunday during the siege of 1683?",
        "What happened last night in the 19th century?",
        "What happened before 8 am on 7 December 1941?",
        "What changed since 1990?",
        "What changed since March?",
        "What happened between 1914 and 1918?",
        "What happened on this day in 1900?",
        "What happened on 11 November?",
        "What was signed on 2026-06-01?",
        "What changed since 2026-06-01?",
        "Why has Warsaw improved over the past decade?",
        "Why has Warsaw improved over the past years?",
        "How far did prices rise in the last three months?",
        "Who died 65 million years ago?",
        # counted from something else
        "How long did the second day last?",
        "What happened in the last hour of the battle?",
        "What changed in the last two days before the war?",
        "Who scored in the last minute?",
        "Who died on the last day?",
        "What did the last 30 minutes of the film show?",
        "How many people lived there as of today?",
        # the present, and habits
        "How many protestants live in France today?",
        "By what name is that church known today?",
        "Which ship that was built there is still in use today?",
        "What does the Treaty of Lisbon allow today?",
        "What is the toll of yesterday's earthquake?",
        "Who won yesterday evening's match?",
        "What was on noon today's radio?",
        "What typically sits on Tuesdays?",
        "What usually takes place on Tuesday afternoons?",
        "Which shops close before noon?",
        "Which law is in force since 1 November 2026?",
        # names
        "Who wrote the last of the Mohicans?",
        "Who sang Yesterday?",
        'Who edited the page "What happened last night"?',
        "Who was killed on Bloody Sunday?",
        "What did they show on Saturday Night Live?",
        "What was said on Sunday Times radio?",
        "What did USA Today report?",
        "Who was on Last Week Tonight?",
        # the future, no such time, contradictions
        "What will happen tomorrow?",
        "What happened in the next hour?",
        "What happened this evening?",
        "What changed since 2026-12-24?",
        "What changed until today?",
        "What changed since 31 February?",
        "What changed since 25:00?",
        "What changed between 12:00 and 12:00:30?",
        "What changed yesterday or today?",
        "What changed yesterday, today or in spring?",
        "Did anything change on Monday or Tuesday?",
        "What changed on Monday, Tuesday and Wednesday?",
        "What changed this week or earlier?",
        "What changed since 2026-11-20T10:00:00Z?",
        # no time at all
        "How many people did the Velmora earthquake kill?",
        "",
        "?",
    ],
)
def test_a_time_that_does_not(question: str) -> None:
    read = read_time(question, NOW, BERLIN)
    assert (read.window, read.text) == (None, question)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What happened in the last hour in Velmora?", "What happened in Velmora?"),
        ("Since Monday, what has changed on the Velmora page?", "what has changed on the Velmora page?"),
        ("What changed, since yesterday, in Velmora?", "What changed, in Velmora?"),
        ("Show me yesterday's edits.", "Show me edits."),
        ("since 9 am?", "since 9 am?"),
    ],
)
def test_retrieval_gets_the_question_without_it(question: str, text: str) -> None:
    read = read_time(question, NOW, BERLIN)
    assert read.window is not None
    assert read.text == text


@pytest.mark.parametrize(
    ("now", "question", "since", "until"),
    [
        # at and around midnight
        ("2026-11-23 00:00", "What happened today?", "11-23 00:00", None),
        ("2026-11-23 00:00", "What happened yesterday?", "11-22 00:00", "11-23 00:00"),
        ("2026-11-23 00:10", "What happened in the last half hour?", "11-22 23:40", None),
        ("2026-11-23 00:10", "What happened last night?", "11-22 18:00", None),
        # month and year ends
        ("2026-03-31 12:00", "What changed in the past month?", "02-28 12:00", None),
        ("2028-03-31 12:00", "What changed in the past month?", "02-29 12:00", None),
        ("2027-01-01 08:00", "What changed yesterday?", "12-31 00:00", "01-01 00:00"),
        ("2027-01-01 08:00", "What changed last month?", "12-01 00:00", "01-01 00:00"),
        ("2027-01-02 08:00", "What was edited on 30 December?", "12-30 00:00", "12-31 00:00"),
        ("2027-01-02 08:00", "What changed this week?", "12-28 00:00", None),
        # the weekend
        ("2026-11-20 23:59", "What changed over the weekend?", "11-14 00:00", "11-16 00:00"),
        ("2026-11-21 00:00", "What changed over the weekend?", "11-21 00:00", None),
        ("2026-11-22 12:00", "What changed this weekend?", "11-21 00:00", None),
        ("2026-11-22 12:00", "What changed last weekend?", "11-14 00:00", "11-16 00:00"),
        ("2026-11-23 12:00", "What changed last weekend?", "11-21 00:00", "11-23 00:00"),
        # Sunday ends the week
        ("2026-11-22 12:00", "What changed this week?", "11-16 00:00", None),
        ("2026-11-22 12:00", "What changed since Monday?", "11-16 00:00", None),
    ],
)
def test_edges_of_the_calendar(now: str, question: str, since: str, until: str | None) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo(BERLIN))
    assert local(read_time(question, moment, BERLIN).window) == (since, until)


@pytest.mark.parametrize(
    ("now", "question", "since", "until"),
    [
        # 29 March 2026 has 23 hours in Berlin: 02:00 becomes 03:00
        ("2026-03-29T10:00:00Z", "What happened today?", "2026-03-28T23:00:00Z", None),
        ("2026-03-30T10:00:00Z", "What happened yesterday?", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("2026-03-29T10:00:00Z", "What happened in the last day?", "2026-03-28T11:00:00Z", None),
        ("2026-03-29T10:00:00Z", "What happened in the last 24 hours?", "2026-03-28T10:00:00Z", None),
        ("2026-03-29T10:00:00Z", "What happened since 2:30?", "2026-03-29T01:30:00Z", None),
        # 25 October 2026 has 25: 03:00 becomes 02:00 once
        ("2026-10-25T12:00:00Z", "What happened today?", "2026-10-24T22:00:00Z", None),
        ("2026-10-26T12:00:00Z", "What happened yesterday?", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("2026-10-25T12:00:00Z", "What happened in the last day?", "2026-10-24T11:00:00Z", None),
        ("2026-10-25T12:00:00Z", "What happened since 2:30?", "2026-10-25T00:30:00Z", None),
        ("2026-10-25T12:00:00Z", "edits from 1:00 to 4:00", "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"),
    ],
)  # fmt: skip
def test_clock_changes(now: str, question: str, since: str, until: str | None) -> None:
    window = read_time(question, datetime.fromisoformat(now), BERLIN).window
    assert window is not None
    assert window.since == datetime.fromisoformat(since)
    assert window.until == (until and datetime.fromisoformat(until) - timedelta(milliseconds=1))


def test_the_same_words_mean_other_hours_elsewhere() -> None:
    question = "What happened since 9 am?"
    now = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    assert local(read_time(question, now, "UTC").window, "UTC") == ("11-23 09:00", None)
    assert local(read_time(question, now, "Asia/Tokyo").window, "UTC") == ("11-23 00:00", None)
    # 06:30 in Los Angeles: 9 am was yesterday
    assert local(read_time(question, now, "America/Los_Angeles").window, "UTC") == ("11-22 17:00", None)


def test_times_have_the_precision_of_the_stores() -> None:
    window = read_time("What changed in the last hour?", NOW.replace(microsecond=123_999), "UTC").window
    assert window is not None
    assert window.since == datetime(2026, 11, 23, 12, 30, 0, 123_000, tzinfo=UTC)


_DAYS = (
    "today yesterday the_day_before_yesterday Monday friday last_Sunday this_week last_month last_night"
    " the_weekend 2026-11-01 20_November 31_December Feb_29,_2028 an_hour_ago 3_days_ago 2_months_ago"
).split()
_CLOCKS = "noon midnight 0:00 2:30 10:00 23:59 9_am 12_pm 7_a.m. 11_o'clock 5:15_pm_UTC 24:00".split()
_PARTS = "morning afternoon evening night".split()
_RELATIONS = "since after before until up_to on in from".split()
_LENGTHS = (
    "hour 30_minutes 2_days 36h week 3_weeks month 5_months half_hour few_hours 90_days 400_days".split()
)
_SHAPES = (
    "{relation} {day}", "{relation} {clock}", "{relation} {day} {part}", "{relation} {clock} {day}",
    "{day} {relation} {clock}", "between {day} and {other}", "between {clock} and {later}",
    "{day} between {clock} and {later}", "between {clock} and {later} {day}", "from 9 to {clock}",
    "from {day} {clock} to {other} {later}", "in the last {length}", "over the past {length}", "{day} {part}",
)  # fmt: skip


def _phrases() -> st.SearchStrategy[str]:
    values = {
        **dict.fromkeys(("day", "other"), _DAYS),
        **dict.fromkeys(("clock", "later"), _CLOCKS),
        **{"part": _PARTS, "relation": _RELATIONS, "length": _LENGTHS},
    }
    drawn = st.fixed_dictionaries({name: st.sampled_from(texts) for name, texts in values.items()})
    return st.builds(
        lambda shape, words: shape.format(**words).replace("_", " "), st.sampled_from(_SHAPES), drawn
    )


@settings(max_examples=1000, deadline=None)
@given(
    before=st.sampled_from(["What changed", "edits", "Who was hurt", "Where"]),
    phrase=_phrases(),
    after=st.sampled_from(["", "?", " in Velmora?", ", and where?", "'s"]),
    now=st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2090, 1, 1)),  # noqa: DTZ001
    zone=st.sampled_from(["UTC", BERLIN, "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_whatever_is_asked(before: str, phrase: str, after: str, now: datetime, zone: str) -> None:
    question, moment = f"{before} {phrase}{after}", now.replace(tzinfo=UTC)
    read = read_time(question, moment, zone)
    if read.window is None:
        assert read.text == question
        return
    since, until = read.window.since, read.window.until
    assert read.window.phrase in question
    assert before.split()[0] in read.text
    assert since is not None or until is not None
    assert (since or moment) <= moment
    assert (until or moment) <= moment
    assert since is None or until is None or since <= until
    assert (since or until or moment) >= moment - timedelta(days=368)


def test_a_long_text_is_not_searched_for_times() -> None:
    assert read_time("What happened in the last hour? " + "x" * 1968, NOW, BERLIN).window is not None
    assert read_time("What happened in the last hour? " + "x" * 1969, NOW, BERLIN).window is None
    assert read_time("What happened since Monday?" + " As of today." * 7, NOW, BERLIN).window is not None
    assert read_time("What happened since Monday?" + " As of today." * 8, NOW, BERLIN).window is None


@pytest.mark.parametrize(
    "text",
    [
        "since ",
        "on Tuesday, ",
        "today ",
        "between today and ",
        "a couple of ",
        " ",
        "20 november 20 ",
        '"',
        "last ",
    ],
)
def test_no_question_takes_long(text: str) -> None:
    """The limit is for patterns that explode, which take minutes."""
    read_time((text * 2000)[:2000] + "?", NOW, BERLIN)


def squad_questions(path: Path) -> Iterator[str]:
    with gzip.open(path) as file:
        for article in json.load(file)["data"]:
            for paragraph in article["paragraphs"]:
                for item in paragraph["qas"]:
                    yield item["question"]


def test_questions_about_the_world_get_no_window(shared_data: Path) -> None:
    questions = list(squad_questions(shared_data / "squad2-dev.json.gz"))
    assert len(questions) > 6000
    windows = {q: w for q in questions if (w := read_time(q, NOW, "UTC").window) is not None}
    assert windows == {}
