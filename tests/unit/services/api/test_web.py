"""The page and the documentation: complete, from our own files, and strict about what may run."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.unit.services.api.conftest import Api


class _Resources(HTMLParser):
    """What a page makes the browser load, and anything that a strict policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.forbidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag in ("script", "img"):
            self.loaded.append(attributes.get("src") or "inline")
        if tag == "link":
            self.loaded.append(attributes.get("href") or "inline")
        self.forbidden += [name for name in attributes if name.startswith("on") or name == "style"]
        if tag in ("style", "iframe", "object", "base"):
            self.forbidden.append(tag)


def resources(html: str) -> _Resources:
    parser = _Resources()
    parser.feed(html)
    return parser


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_only_our_own_files_and_they_exist(api: Api, path: str) -> None:
    page = api.anonymous.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    found = resources(page.text)
    assert found.forbidden == []
    assert len(found.loaded) >= 3
    for url in found.loaded:
        assert re.match(r"/[a-z]", url), url
        asset = api.anonymous.get(url)
        assert asset.status_code == 200, url
        assert asset.content


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_no_page_names_another_server(api: Api, path: str) -> None:
    html = api.anonymous.get(path).text
    assert not re.search(r"(https?:)?//[\w.-]+", html)


def test_the_scripts_and_styles_of_our_own_name_no_other_server(api: Api) -> None:
    for path in ("/assets/app.js", "/assets/app.css", "/docs/start.js"):
        assert not re.search(r"https?://\w", api.anonymous.get(path).text), path


def test_the_policy_lets_the_browser_talk_only_to_us(api: Api) -> None:
    policy = api.anonymous.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert "script-src 'self';" in api.anonymous.get("/docs").headers["content-security-policy"]


def test_the_script_never_inserts_html(api: Api) -> None:
    script = api.anonymous.get("/assets/app.js").text
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert way not in script


def test_what_is_streamed_is_announced(api: Api) -> None:
    """The status at once, the text when it is whole; the script marks it as busy until then."""
    page = api.anonymous.get("/").text
    assert re.search(r'<div class="status" role="status">', page)
    assert re.search(r'<p id="answer" aria-live="polite"[^>]* aria-busy="false">', page)
    assert 'setAttribute("aria-busy"' in api.anonymous.get("/assets/app.js").text


def test_pages_answer_head_too(api: Api) -> None:
    response = api.anonymous.head("/")
    assert response.status_code == 200
    assert response.content == b""


def test_the_description_covers_the_api_and_its_keys(api: Api) -> None:
    description = api.anonymous.get("/openapi.json").json()
    assert set(description["paths"]) == {
        "/v1/ask",
        "/v1/search",
        "/v1/watch",
        "/v1/documents",
        "/v1/documents/{document_id}",
        "/v1/stats",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{model}",
        "/health/live",
        "/health/ready",
    }
    assert set(description["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}
    for path, methods in description["paths"].items():
        for method in methods.values():
            assert bool(method.get("security")) == path.startswith("/v1"), path
            if path.startswith(("/v1/chat", "/v1/models")):
                assert "422" not in method["responses"]
                assert set(method["responses"]["4XX"]["content"]) == {"application/json"}
            elif path.startswith("/v1"):
                for status in ("401", "422", "503"):
                    assert set(method["responses"][status]["content"]) == {"application/problem+json"}
    for path in ("/v1/ask", "/v1/chat/completions"):
        answers = description["paths"][path]["post"]["responses"]["200"]["content"]
        assert set(answers) == {"application/json", "text/event-stream"}
    body = description["paths"]["/v1/documents"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "application/x-ndjson"}
    assert set(body["application/json"]["schema"]["required"]) == {"document_id", "title", "text"}
