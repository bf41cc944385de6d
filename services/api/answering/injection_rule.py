"""One way to recognise a text that talks to a language model. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

CLAUSE = r"(?:^|[.:;!?,(\"“'—–-]\s*|\b(?:please|then|instead|just|always|simply|now|and|must|should|will)\s+)"
"""Where a clause begins."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``pattern``, worth trying only where one of ``needs`` occurs: that is found a hundred times as fast."""

    needs: tuple[str, ...]
    pattern: re.Pattern[str]

    def matches(self, folded: str) -> bool:
        for word in self.needs:  # a generator would take twice as long, for a hundred rules and each text
            if word in folded:
                return self.pattern.search(folded) is not None
        return False


def rules_of(*pairs: tuple[str, str]) -> tuple[Rule, ...]:
    """``pairs``: ``needs``, separated by ``|``, and a pattern."""
    return tuple(Rule(tuple(needs.split("|")), re.compile(pattern, re.MULTILINE)) for needs, pattern in pairs)


def any_matches(rules: Iterable[Rule], folded: str) -> bool:
    return any(rule.matches(folded) for rule in rules)
