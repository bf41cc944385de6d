"""The ``dlq`` commands, from parsed arguments to an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime

from services.processor.commands.dead_letters import DeadLetter
from services.processor.commands.dlq_list import Wanted, as_json, as_table, list_letters
from services.processor.commands.dlq_redrive import (
    Redriven,
    Selection,
    redrive,
    select_places,
    select_reason,
)
from services.processor.commands.dlq_show import described, find_letter
from services.processor.commands.terminal import (
    ask,
    can_ask,
    printable,
    printable_bytes,
    say,
    say_error,
    terminal_width,
)
from services.processor.commands.topic_scan import OpenTopic
from shared.errors import ConfigurationError
from shared.lifecycle import EXIT_FAILED, Lifecycle
from shared.messaging.factory import build_producer
from shared.messaging.topic_reader import TopicReader, open_topic
from shared.settings import KafkaSettings, load_settings


def run_list(arguments: argparse.Namespace, lifecycle: Lifecycle) -> int:
    since = None if arguments.since is None else datetime.now(UTC) - arguments.since
    wanted = Wanted(arguments.reason, since, arguments.limit)
    listing = list_letters(_dead_letter_topic(load_settings(KafkaSettings)), wanted, lifecycle.stop)
    for line in [as_json(listing)] if arguments.json else as_table(listing, terminal_width()):
        say(line)
    return 0


def run_show(arguments: argparse.Namespace, lifecycle: Lifecycle) -> int:
    if arguments.raw and sys.stdout.isatty():
        raise ConfigurationError("--raw writes bytes that could control the terminal: redirect it to a file")
    topic = _dead_letter_topic(load_settings(KafkaSettings))
    record = find_letter(topic, arguments.place, lifecycle.stop)
    if not arguments.raw:
        for line in described(record):
            say(line)
        return 0
    if record.value is None:
        say_error(f"{arguments.name}: {arguments.place} has no value: only its origin was kept")
        return EXIT_FAILED
    sys.stdout.buffer.write(record.value)
    return 0


def run_redrive(arguments: argparse.Namespace, lifecycle: Lifecycle) -> int:
    kafka = load_settings(KafkaSettings)
    topic = _dead_letter_topic(kafka)
    if arguments.all and not (arguments.yes or arguments.dry_run or can_ask()):
        raise ConfigurationError("--all: without a terminal to ask on, give --yes too")
    if arguments.places:
        selection = select_places(topic, arguments.places, lifecycle.stop)
    else:
        selection = select_reason(topic, arguments.reason, lifecycle.stop)
    for obstacle, count in selection.obstacles.items():
        say(f"{count:,} cannot be sent back: {obstacle}")
    if arguments.dry_run:
        for letter in selection.sendable:
            say(f"would send {_one_line(letter)}")
        say(f"{len(selection.sendable):,} letters would go to {kafka.topic}.")
        return _exit_code(selection)
    if arguments.all and not arguments.yes and selection.sendable:
        question = f"Send {len(selection.sendable):,} letters back to KAFKA_TOPIC={kafka.topic}?"
        if not ask(question):
            say("Nothing was sent.")
            return EXIT_FAILED
    result = Redriven()
    if selection.sendable:
        with closing(build_producer(kafka, "processor-redrive")) as producer:
            result = redrive(topic, selection.sendable, producer, kafka.topic, lifecycle.stop)
    for place, problem in sorted(result.failures.items()):
        say_error(f"{arguments.name}: {place}: {problem}")
    selected = len(selection.sendable) + len(selection.unsendable)
    say(f"Sent {result.confirmed:,} of {selected:,} letters back to {kafka.topic}, each confirmed.")
    return _exit_code(selection, result)


def _exit_code(selection: Selection, result: Redriven | None = None) -> int:
    complete = not selection.unsendable and not (result and result.failures)
    return 0 if complete else EXIT_FAILED


def _one_line(letter: DeadLetter) -> str:
    key = "-" if letter.key is None else printable_bytes(letter.key)
    return f"{letter.place}  {printable(letter.reason)}  {printable(letter.origin)}  {key}"


def _dead_letter_topic(kafka: KafkaSettings) -> OpenTopic:
    def open_it(starts: Mapping[int, int] | None) -> AbstractContextManager[TopicReader]:
        return open_topic(kafka, kafka.dlq_topic, starts)

    return open_it
