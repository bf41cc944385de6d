"""A language model's server over HTTP: its failures as our errors, its streams as lines."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from shared.errors import LLMRefused, LLMUnavailable
from shared.resilience.retry_after import retry_after_seconds

_CONNECT_SECONDS = 5.0
_LONGEST_LINE = 1 << 20
_SHOWN = 300
_COME_BACK = (429, 503)
_REFUSED = (400, 413, 422)
_BEFORE_ANY_ANSWER = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


class StatusError(LLMUnavailable):
    """The server answered with an error, of which ``detail`` is its own description."""

    def __init__(self, message: str, status: int, detail: str, retry_after: float | None) -> None:
        super().__init__(message, retry_after)
        self.status = status
        self.detail = detail


class RefusedRequest(StatusError, LLMRefused):
    """The server is well and does not take the request as it is."""


class ModelServer:
    """``setting`` is the variable that holds ``url``, for messages. Safe to call from several threads.

    Every method raises ``LLMUnavailable`` where the server does not do what was asked.
    """

    def __init__(
        self, setting: str, url: str, silence_seconds: float, headers: Mapping[str, str] | None = None
    ) -> None:
        self._label = f"{setting}={url}"
        self._url = url.rstrip("/")
        self._silence = silence_seconds
        self._client = httpx.Client(
            headers=dict(headers or {}),
            timeout=httpx.Timeout(silence_seconds, connect=min(_CONNECT_SECONDS, silence_seconds)),
            # A proxy that the environment names is for what lies beyond this machine.
            trust_env=not _is_this_machine(url),
        )

    def get_json(self, path: str) -> dict[str, Any]:
        with self._sent("GET", path, None) as response:
            return self._as_object(self._read(response))

    def post_json(self, path: str, body: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """``timeout``: as for ``post_for_lines``."""
        with self._sent("POST", path, body, timeout) as response:
            return self._as_object(self._read(response))

    @contextmanager
    def post_for_lines(
        self, path: str, body: Mapping[str, Any], timeout: float | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The answer, line by line without line ends, as it comes. Leaving the body before the end closes
        the connection, by which the server knows that nobody listens any more.

        An empty line stands for anything that came and was no complete line, so that the caller gets its
        turn whatever the server does. ``timeout``: in place of the usual limit of silence, in seconds.
        """
        with self._sent("POST", path, body, timeout) as response:
            yield self._lines(response)

    def require_progress(self, since: float) -> None:
        """:raises LLMUnavailable: ``since`` (monotonic seconds) is longer ago than silence may last."""
        if time.monotonic() - since > self._silence:
            raise self._silent()

    def failed(self, what: str) -> LLMUnavailable:
        return LLMUnavailable(f"{self._label}: {what}")

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _sent(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float | None = None
    ) -> Iterator[httpx.Response]:
        request = self._client.build_request(
            method,
            self._url + path,
            json=body,
            timeout=self._client.timeout
            if timeout is None
            else httpx.Timeout(timeout, connect=_CONNECT_SECONDS),
        )
        try:
            response = self._client.send(request, stream=True)
        except _BEFORE_ANY_ANSWER as error:
            raise LLMUnavailable(f"{self._label}: {_words(error)}", retry_after=0.0) from error
        except httpx.TimeoutException as error:
            raise self._silent() from error
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            raise self.failed(_words(error)) from error
        try:
            if not response.is_success:
                raise self._status_error(response)
            yield response
        finally:
            response.close()

    def _lines(self, response: httpx.Response) -> Iterator[bytes]:
        rest = b""
        for chunk in self._chunks(response):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise self.failed(f"sent a line of more than {_LONGEST_LINE} bytes")
            yield from (line.rstrip(b"\r") for line in lines or [b""])
        if rest:
            yield rest

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except httpx.TimeoutException as error:
            raise self._silent() from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise self.failed(f"the answer broke off ({_words(error)})") from error

    def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in self._chunks(response):
            body += chunk
            if len(body) > _LONGEST_LINE * 16:
                raise self.failed("sent more than 16 MiB")
        return bytes(body)

    def _as_object(self, body: bytes) -> dict[str, Any]:
        return parse_object(body, self.failed)

    def _status_error(self, response: httpx.Response) -> StatusError:
        detail = _error_text(self._read(response))
        retry_after = None
        if response.status_code in _COME_BACK:
            retry_after = retry_after_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
        kind = RefusedRequest if response.status_code in _REFUSED else StatusError
        message = f"{self._label}: HTTP {response.status_code}: {detail[:_SHOWN]}"
        return kind(message, response.status_code, detail, retry_after)

    def _silent(self) -> LLMUnavailable:
        return self.failed(f"said nothing for LLM_SILENCE_SECONDS={self._silence:g}")


def parse_object(text: bytes, failed: Callable[[str], LLMUnavailable]) -> dict[str, Any]:
    """:raises LLMUnavailable: made by ``failed`` of a description; it is no JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise failed(f"sent what is no JSON object: {_shown(text)}")
    return value


def _error_text(body: bytes) -> str:
    """What both protocols put under ``error``; otherwise the body as it is."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return _shown(body)
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)


def _shown(text: bytes) -> str:
    return " ".join(text[:_SHOWN].decode("utf-8", "replace").split())


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
