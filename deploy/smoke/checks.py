"""Does a running stack do what it promises? One line for each check."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from deploy.http_client import HttpClient, Response, Unreachable

_VISIBLE_WITHIN = 10.0
_CAUGHT_UP_WITHIN = 60.0
_SCRAPED_WITHIN = 30.0
_SMALL_LAG = 20
_POLL = 0.05


Fetch = Callable[[str], Response]
"""A path of one process's health and metrics server → its answer."""

Check = Callable[[], str]
"""Returns a detail worth showing.

:raises CheckFailed: it does not hold."""


class CheckFailed(Exception):
    """The message says what was expected and what came."""


@dataclass(frozen=True)
class Target:
    """One running stack. ``processes``: each of our own by name, ``processor-2`` among them;
    ``prometheus``: its URL, where one watches; ``further``: what is to be checked beyond what every stack
    promises."""

    api_url: str
    key: str
    processes: Mapping[str, Fetch]
    prometheus: str | None = None
    further: Sequence[tuple[str, Check]] = ()


class SmokeTest:
    """Leaves the index as it was."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._http = HttpClient(target.api_url)
        key = target.key
        self._authorization = {"Authorization": f"Bearer {key}"}
        nonce = secrets.token_hex(4)
        self._document_id = f"smoke:{nonce}"
        self._place = f"Quillhaven {nonce.upper()}"
        self._steps = str(1000 + secrets.randbelow(9000))
        self._question = f"How many steps does the lighthouse of {self._place} have?"

    def run(self) -> int:
        """The number of checks that failed."""
        processes = self._target.processes.items()
        checks: list[tuple[str, Check]] = [
            *self._target.further,
            *((f"{name} is alive and ready", self._health(fetch)) for name, fetch in processes),
            ("the processors keep up", self._keeps_up),
            ("no key is refused", self._refuses_without_key),
            ("a wrong body is a problem", self._explains_wrong_body),
            ("a document is accepted", self._accepts_document),
            ("search finds it", self._finds_document),
            ("it can be read back", self._reads_document),
            ("an answer cites it", self._answers_with_citation),
            ("it can be deleted", self._deletes_document),
            ("the unknown is not answered", self._abstains),
            *((f"{name} has metrics", self._metrics(fetch)) for name, fetch in processes),
            *([("Prometheus reaches every service", self._is_scraped)] if self._target.prometheus else []),
        ]
        failed = sum(not _passes(name, check) for name, check in checks)
        print(f"{len(checks) - failed} passed, {failed} failed")
        return failed

    def _health(self, fetch: Fetch) -> Check:
        def check() -> str:
            for path in ("/health/live", "/health/ready"):
                _expect(fetch(path), 200)
            return "/health/live, /health/ready"

        return check

    def _metrics(self, fetch: Fetch) -> Check:
        def check() -> str:
            text = _expect(fetch("/metrics"), 200).text
            names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
            own = [name for name in names if name.startswith(("rag_", "messaging_"))]
            _require(bool(own), "/metrics holds no metric of ours")
            return f"{len(own)} of ours"

        return check

    def _is_scraped(self) -> str:
        """A Prometheus that has just started has yet to look."""
        assert self._target.prometheus is not None
        prometheus = HttpClient(self._target.prometheus)

        def unseen() -> list[str]:
            targets = _expect(prometheus.get("/api/v1/targets"), 200).json()["data"]["activeTargets"]
            return [target["scrapeUrl"] for target in targets if target["health"] != "up"]

        seconds = _seconds_until(lambda: not unseen(), "it does not reach all of them", _SCRAPED_WITHIN)
        return f"{self._target.prometheus}, after {seconds}"

    def _keeps_up(self) -> str:
        """A stack that has just started may still be reading what its source holds."""

        def lag() -> float:
            processes = self._target.processes.items()
            processors = [fetch for name, fetch in processes if name.startswith("processor")]
            lines = [
                line for fetch in processors for line in _expect(fetch("/metrics"), 200).text.splitlines()
            ]
            samples = [line for line in lines if line.startswith("rag_consumer_lag_messages{")]
            return sum(float(line.rsplit(" ", 1)[1]) for line in samples)

        seconds = _seconds_until(
            lambda: lag() < _SMALL_LAG, f"it is {_SMALL_LAG} records behind or more", _CAUGHT_UP_WITHIN
        )
        return f"{lag():.0f} records behind after {seconds}"

    def _refuses_without_key(self) -> str:
        body = {"question": self._question}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}):
            _problem(self._http.post("/v1/search", body, headers), 401)
        return "401"

    def _explains_wrong_body(self) -> str:
        for body in (b'{"top_k": 5}', b'{"question": 7}', b"not JSON"):
            _problem(self._http.post("/v1/search", body, self._authorization), 422)
        return "422 application/problem+json"

    def _accepts_document(self) -> str:
        document = {
            "document_id": self._document_id,
            "title": f"Lighthouse of {self._place}",
            "text": f"The lighthouse of {self._place} has {self._steps} steps. It was repainted in spring.",
            "url": "https://example.org/smoke",
            "source": "smoke",
        }
        accepted = _expect(self._post("/v1/documents", document), 202).json()
        _require(accepted == {"accepted": 1}, f"the body is {accepted}")
        return self._document_id

    def _finds_document(self) -> str:
        return f"after {_seconds_until(lambda: self._found(), 'search does not find it')}"

    def _reads_document(self) -> str:
        response = self._http.request("GET", self._path, headers=self._authorization)
        text = _expect(response, 200).json()["text"]
        _require(self._steps in text, f"its text is {text!r}")
        return "same text"

    def _answers_with_citation(self) -> str:
        answer = self._ask(self._question)
        _require(
            answer["outcome"] == "answered", f"the outcome is {answer['outcome']!r}: {answer['answer']!r}"
        )
        _require(self._steps in answer["answer"], f"not {self._steps} in {answer['answer']!r}")
        cited = {citation["document_id"]: citation for citation in answer["citations"]}
        _require(self._document_id in cited, f"it cites {', '.join(cited) or 'nothing'}")
        marker = f"[{cited[self._document_id]['marker']}]"
        _require(marker in answer["answer"], f"no {marker} in {answer['answer']!r}")
        return repr(answer["answer"])

    def _deletes_document(self) -> str:
        _expect(self._http.request("DELETE", self._path, headers=self._authorization), 202)
        seconds = _seconds_until(lambda: not self._found(), "search still finds it")
        _expect(self._http.request("GET", self._path, headers=self._authorization), 404)
        return f"gone after {seconds}"

    def _abstains(self) -> str:
        answer = self._ask(f"What is the boiling point of vexorium-{secrets.token_hex(3)}?")
        _require(answer["outcome"] == "no_context", f"{answer['outcome']}: {answer['answer']!r}")
        _require(answer["citations"] == [], "it cites something")
        return "no_context"

    def _found(self) -> bool:
        body = {"question": self._question, "top_k": 1}
        hits = _expect(self._post("/v1/search", body), 200).json()["hits"]
        return any(hit["document_id"] == self._document_id for hit in hits)

    def _ask(self, question: str) -> dict[str, Any]:
        answer: dict[str, Any] = _expect(self._post("/v1/ask", {"question": question}), 200).json()
        return answer

    def _post(self, path: str, body: dict[str, Any]) -> Response:
        return self._http.post(path, body, self._authorization)

    @property
    def _path(self) -> str:
        return f"/v1/documents/{quote(self._document_id, safe='')}"


def _passes(name: str, check: Callable[[], str]) -> bool:
    try:
        detail = check()
    except (CheckFailed, Unreachable, KeyError, TypeError, ValueError) as error:
        reason = (
            str(error)
            if isinstance(error, (CheckFailed, Unreachable))
            else f"{type(error).__name__}: {error}"
        )
        print(f"FAIL  {name}: {reason}", flush=True)
        return False
    print(f"ok    {name} ({detail})", flush=True)
    return True


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckFailed(otherwise)


def _expect(response: Response, status: int) -> Response:
    _require(
        response.status == status,
        f"{response.asked}: status {response.status} instead of {status}: {response.text[:200]}",
    )
    return response


def _problem(response: Response, status: int) -> None:
    media_type = _expect(response, status).headers.get("content-type", "none")
    _require(media_type.startswith("application/problem+json"), f"its content type is {media_type}")
    body = response.json()
    _require(body.get("status") == status and bool(body.get("title")), f"no RFC 9457 body: {body}")


def _seconds_until(holds: Callable[[], bool], otherwise: str, limit: float = _VISIBLE_WITHIN) -> str:
    begun = time.monotonic()
    while not holds():
        _require(time.monotonic() - begun < limit, f"{otherwise} after {limit:g} s")
        time.sleep(_POLL)
    return f"{time.monotonic() - begun:.2f} s"
