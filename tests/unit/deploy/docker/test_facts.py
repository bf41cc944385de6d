from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from deploy.docker.facts import stack_facts
from deploy.docker.layout import Layout
from deploy.docker.options import Choice, Options
from deploy.docker.summary import summary
from deploy.paths import ROOT

MODEL: dict[str, Any] = {
    "name": "live-rag",
    "services": {
        "gateway": {"ports": [{"host_ip": "127.0.0.1", "published": "8000", "target": 8000}]},
        "grafana": {"ports": [{"host_ip": "127.0.0.1", "published": "3001", "target": 3000}]},
        "api": {},
    },
}
CHOICE = Choice(("observability",), "extractive", "")


def facts_of(layout: Layout, model: dict[str, Any] = MODEL, **settings: str) -> dict[str, Any]:
    facts = stack_facts(model, CHOICE, "replay", {"api": 1}, Options(), layout, settings)
    return {**facts, "question": 'Who\'s "first"?'}


def test_they_say_where_everything_is() -> None:
    facts = facts_of(Layout(ROOT / "data"))
    assert facts["mode"] == "docker"
    assert facts["urls"] == {
        "api": "http://127.0.0.1:8000",
        "docs": "http://127.0.0.1:8000/docs",
        "grafana": "http://127.0.0.1:3001",
    }
    assert facts["key_file"] == str(ROOT / "data/docker/secrets/api_keys")
    assert json.loads(json.dumps(facts)) == facts


def test_a_key_file_of_the_users_own_is_used() -> None:
    assert facts_of(Layout(ROOT / "data"), API_KEYS_FILE="mine/keys")["key_file"] == str(ROOT / "mine/keys")


def test_an_api_for_every_network_is_asked_over_loopback() -> None:
    ports = [{"host_ip": "0.0.0.0", "published": "8000", "target": 8000}]
    model = {**MODEL, "services": {"gateway": {"ports": ports}}}
    assert facts_of(Layout(ROOT / "data"), model)["urls"]["api"] == "http://127.0.0.1:8000"


def test_no_secret_is_shown_unless_asked_for(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.secrets.mkdir(parents=True)
    (layout.secrets / "grafana_admin_password").write_text("grafana-hidden")
    hidden, shown = summary(facts_of(layout), None, layout), summary(facts_of(layout), "api-hidden", layout)
    assert "-hidden" not in hidden
    assert f"in {layout.secrets / 'api_keys'}" in hidden
    assert "api-hidden" in shown
    assert "grafana-hidden" in shown


def test_the_curl_line_can_be_pasted(tmp_path: Path) -> None:
    text = summary(facts_of(Layout(tmp_path)), None, Layout(tmp_path))
    words = shlex.split(text[text.index("curl -s") :].split("\n\n")[0])
    assert json.loads(words[words.index("-d") + 1]) == {"question": 'Who\'s "first"?'}
    key_file = Layout(tmp_path).secrets / "api_keys"
    assert f"Authorization: Bearer $(grep -v '^#' {key_file})" in words
    assert f"DATA_DIR={tmp_path} ./stop.sh" in text


def test_only_what_runs_is_mentioned() -> None:
    text = summary(facts_of(Layout(ROOT / "data")), None, Layout(ROOT / "data"))
    assert "dashboards http://127.0.0.1:3001/" in text
    assert "traces" not in text
    assert "alerts" not in text
