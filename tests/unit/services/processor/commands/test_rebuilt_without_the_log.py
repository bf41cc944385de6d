"""What the log no longer holds is kept, or left out where that is agreed to."""

from __future__ import annotations

from contextlib import closing

import pytest

from services.processor.commands.stopping import Stopped
from tests.unit.services.processor.commands.rebuilds import Case, an_event, contents, undisturbed


def test_what_the_log_no_longer_holds_is_kept_and_said() -> None:
    case = Case()
    case.commit([an_event(1, 1), an_event(2, 1)])
    case.commit([an_event(2, 5, "Newer than the log."), an_event(3, 1)], to_log=False)
    rebuilt = case.run("kafka")
    assert contents(case.target) == contents(
        undisturbed([an_event(1, 1), an_event(2, 5, "Newer than the log."), an_event(3, 1)])
    )
    assert (rebuilt.kept, rebuilt.dropped) == (2, 0)
    [line] = case.said
    assert "2 documents of the index are not in the log" in line
    assert "--drop-missing" in line


def test_it_is_left_out_where_that_is_agreed_to() -> None:
    case = Case()
    case.commit([an_event(1, 1)])
    case.commit([an_event(3, 1)], to_log=False)
    case.source.meanwhile = lambda: None
    asked: list[int] = []

    def agree(count: int) -> bool:
        asked.append(count)
        case.commit([an_event(4, 1)], to_log=False)  # written meanwhile: never left out
        return True

    rebuilt = case.rebuilder().from_log(case.log, agree)
    assert asked == [1]
    assert (rebuilt.kept, rebuilt.dropped) == (0, 1)
    assert contents(case.target).keys() == {"test:1", "test:4"}


def test_nothing_changes_where_it_is_not_agreed_to() -> None:
    case = Case()
    case.commit([an_event(3, 1)], to_log=False)
    with closing(case.rebuild), pytest.raises(Stopped, match="nothing was changed"):
        case.rebuilder().from_log(case.log, lambda _count: False)
    assert case.rebuild.current is case.source
