"""The type of an error is the decision.

RagError
├── ConfigurationError       stop: the message names the setting, its value and the cure
│   ├── ModelMissing         a model's weights are not installed
│   └── StoreMismatch        the store was built with another model or layout: rebuild it
├── RetryableError           slow down and try again; never dead-letter
│   ├── BrokerUnavailable
│   │   └── RecordsLost      it no longer has what it had acknowledged: send it again
│   ├── SourceUnavailable    carries how long the source asked us to wait
│   ├── StoreUnavailable
│   ├── WritesLost           the store lost what it had taken: read it again and write it again
│   └── LLMUnavailable       answer without a model, and say so
│       ├── LLMBusy          as many questions as it may have are waiting already
│       ├── LLMLoading       its weights are not in memory yet
│       └── LLMRefused       it is well, but does not take this prompt
├── QuestionTooLong          leave the passages in the order that they have
├── InferenceFailed          go on without what the model would have said, and say so
├── InvalidEvent             will never work: dead-letter with the reason
├── CursorExpired            the change feed no longer reaches back that far: start anew
└── StoreDamaged             stop: an operator must look
"""

from __future__ import annotations

from enum import StrEnum


class RagError(Exception):
    """Everything that this software raises on purpose."""


class ConfigurationError(RagError):
    """The process cannot start as configured."""


class ModelMissing(ConfigurationError):
    """The weights that a setting names are not on this machine."""


class StoreMismatch(ConfigurationError):
    """The store was built with another embedding model, dimension or layout."""


class RetryableError(RagError):
    """A dependency is away or busy."""


class BrokerUnavailable(RetryableError):
    pass


class RecordsLost(BrokerUnavailable):
    """The broker no longer has what it had acknowledged."""


class StoreUnavailable(RetryableError):
    pass


class WritesLost(RetryableError):
    """A failover or restart of the store took writes with it that no ``flush`` had confirmed."""


class LLMUnavailable(RetryableError):
    """``retry_after``: the seconds after which the same call may well succeed, and has done nothing so far;
    ``None`` where another attempt is not worth a user's time."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LLMBusy(LLMUnavailable):
    """This process keeps the question from the model: too many are under way."""


class LLMLoading(LLMUnavailable):
    """It will answer once its weights are in memory."""


class LLMRefused(LLMUnavailable):
    """The model is well and would refuse this prompt again: it does not fit, or cannot be fitted whole."""


class SourceUnavailable(RetryableError):
    """``retry_after`` is in seconds; ``None`` where the source did not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidReason(StrEnum):
    """Why a record can never be processed; a metric label, so the set is closed."""

    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    UNKNOWN_SCHEMA = "unknown_schema"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    TOO_LARGE = "too_large"
    EMPTY_TEXT = "empty_text"
    UNORDERABLE = "unorderable"


class QuestionTooLong(RagError):
    """A model that reads question and passage together has no room for the passage."""


class InferenceFailed(RagError):
    """A model that was loaded well cannot be run, or says what is no number."""


class InvalidEvent(RagError):
    """An event that no retry can save."""

    def __init__(self, reason: InvalidReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class CursorExpired(RagError):
    """Removals after the cursor have been forgotten, or it is another store's: drop what was built from
    the change feed, and follow it from the beginning."""


class StoreDamaged(RagError):
    """The store's data fail their integrity check."""
