"""The command line: ``python -m services.processor dlq ...|rebuild ...|topics|offsets ...``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from services.processor.commands import dlq, offsets, rebuild, topics
from services.processor.commands.dead_letters import parse_place
from services.processor.commands.rebuild_origin import Origin
from shared.durations import parse_duration
from shared.errors import InvalidReason

_PROGRAM = "python -m services.processor"
_EXIT_CODES = "Exit codes: 0 done, 1 some could not be done, 2 wrongly used or configured."
_REDRIVE = (
    "Sends the original key, value and headers back to KAFKA_TOPIC, with a header dlq.redriven that names"
    " the place. Redriving twice is harmless: the store drops what is not newer than what it holds. What is"
    " still poison comes back to KAFKA_DLQ_TOPIC as a new letter; the old one stays until the topic's"
    " retention removes it. Letters of the producer (raw events of the source) and letters of which only the"
    " origin was kept cannot be sent back; they are counted."
)

_REBUILD = (
    "Builds a second index with the configured embedder and chunk settings while the first one keeps"
    " answering and taking writes, then switches to it in one step. Stopped or killed before that, it leaves"
    " the first one as it was. Without --from it reads the texts in the store where the store was built with"
    " other settings (another model, dimension or layout), because that is complete; else it reads"
    " KAFKA_TOPIC, because the log may know better than a store that fits; it says which and why."
    " From kafka, documents that the log no longer holds are copied from their stored texts, unless"
    " --drop-missing. Texts are embedded anew, each once. Services that were started with another model"
    " refuse the new index: restart them after the switch."
)

_TOPICS = (
    "Creates KAFKA_TOPIC and KAFKA_DLQ_TOPIC where they are missing. Those that exist are made to take"
    " messages of KAFKA_MAX_MESSAGE_BYTES, and get more partitions where they have fewer than"
    " KAFKA_PARTITIONS; none is ever taken away. To run it again is harmless."
)

_OFFSETS = (
    "For backups: save prints how far KAFKA_GROUP_ID has read KAFKA_TOPIC, once all that is in it now is"
    " committed; restore takes that on standard input, while no processor runs, and sets the group back."
    " Where the topic is another one, or ends before the saved offsets, it is read from its beginning."
)

_Parsed = TypeVar("_Parsed")


def build_parser() -> argparse.ArgumentParser:
    """``run`` of what it returns takes it and a Lifecycle; ``name`` is for messages."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Without a command it is the processor itself.", epilog=_EXIT_CODES
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_dlq(commands.add_parser("dlq", help="look at dead letters, and send them back", epilog=_EXIT_CODES))
    _add_rebuild(
        commands.add_parser("rebuild", help="make the index anew", description=_REBUILD, epilog=_EXIT_CODES)
    )
    _add_topics(
        commands.add_parser("topics", help="make the topics", description=_TOPICS, epilog=_EXIT_CODES)
    )
    _add_offsets(
        commands.add_parser(
            "offsets", help="save and restore Kafka's offsets", description=_OFFSETS, epilog=_EXIT_CODES
        )
    )
    return parser


def _add_offsets(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    save = commands.add_parser("save", help="to standard output, as JSON", epilog=_EXIT_CODES)
    save.add_argument(
        "--wait",
        type=_type(_positive, "number"),
        default=120,
        metavar="SECONDS",
        help="how long the processors may take to catch up (120)",
    )
    save.add_argument("--behind", action="store_true", help="be content if they have not")
    save.set_defaults(run=offsets.run_save, name="offsets save")
    restore = commands.add_parser("restore", help="from standard input", epilog=_EXIT_CODES)
    restore.set_defaults(run=offsets.run_restore, name="offsets restore")


def _add_topics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=_type(_positive, "number"),
        default=60,
        metavar="SECONDS",
        help="how long the broker may take to answer (60)",
    )
    parser.set_defaults(run=topics.run_topics, name="topics")


def _add_rebuild(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="origin",
        choices=[origin.value for origin in Origin],
        help="where the texts come from: the store, or KAFKA_TOPIC",
    )
    parser.add_argument(
        "--drop-missing",
        action="store_true",
        help="with --from kafka: leave out what the log no longer holds; asks first",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=rebuild.run_rebuild, name="rebuild")


def _add_dlq(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="a line for each letter, newest last", epilog=_EXIT_CODES)
    _add_reason(listing)
    listing.add_argument(
        "--since", type=_type(parse_duration, "duration"), metavar="AGE", help="not older than this: 1h, 7d"
    )
    listing.add_argument(
        "--limit",
        type=_type(_positive, "number"),
        default=50,
        metavar="N",
        help="the newest N (50); all are counted",
    )
    listing.add_argument("--json", action="store_true", help="one JSON object, nothing cut")
    listing.set_defaults(run=dlq.run_list, name="dlq list")

    show = commands.add_parser("show", help="one letter whole", epilog=_EXIT_CODES)
    show.add_argument("place", type=_type(parse_place, "place"), metavar="PLACE", help="such as 3@17")
    show.add_argument("--raw", action="store_true", help="only the bytes of its value, to a file or a pipe")
    show.set_defaults(run=dlq.run_show, name="dlq show")

    redrive = commands.add_parser(
        "redrive", help="send letters back to be processed again", description=_REDRIVE, epilog=_EXIT_CODES
    )
    which = redrive.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "places",
        nargs="*",
        default=[],
        type=_type(parse_place, "place"),
        metavar="PLACE",
        help="such as 3@17",
    )
    _add_reason(which)
    which.add_argument("--all", action="store_true", help="every letter; asks first")
    redrive.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    redrive.add_argument("--yes", action="store_true", help="do not ask")
    redrive.set_defaults(run=dlq.run_redrive, name="dlq redrive")


def _add_reason(parser: argparse._ActionsContainer) -> None:
    reasons = [reason.value for reason in InvalidReason]
    parser.add_argument("--reason", choices=reasons, metavar="REASON", help=f"one of {', '.join(reasons)}")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("at least 1 is needed")
    return number


def _type(parse: Callable[[str], _Parsed], name: str) -> Callable[[str], _Parsed]:
    """A parser whose own message reaches the user."""

    def parsed(text: str) -> _Parsed:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{name} {text!r}: {error}") from None

    return parsed
