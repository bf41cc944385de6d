from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from deploy.docker.layout import Layout
from deploy.docker.secret_files import CONTAINER_USER, acl_text, choose_owner, write_secrets

NAMES = [
    "api_keys",
    "grafana_admin_password",
    "openai_api_key",
    "redis_exporter_password",
    "redis_password",
]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    template = tmp_path / "template"
    template.write_text(
        "user default off\nuser exporter on #{exporter_sha256}\nuser rag on #{rag_sha256} ~{{rag}}:*\n"
    )
    monkeypatch.setattr("deploy.docker.secret_files.ACL_TEMPLATE", template)
    return Layout(tmp_path / "data")


def owner_of(layout: Layout) -> tuple[int, int]:
    """Whoever runs the tests may always be: their own files."""
    layout.data_dir.mkdir(exist_ok=True)
    status = layout.data_dir.stat()
    return status.st_uid, status.st_gid


def contents(layout: Layout) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(layout.secrets.iterdir())}


def test_they_are_for_one_user_alone(layout: Layout) -> None:
    assert write_secrets(layout, owner_of(layout), {}) == NAMES
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in layout.secrets.iterdir()} == {0o600}


def test_they_are_long_and_all_different(layout: Layout) -> None:
    write_secrets(layout, owner_of(layout), {})
    values = [contents(layout)[name] for name in NAMES if name != "openai_api_key"]
    assert len(set(values)) == len(values)
    assert min(len(value) for value in values) >= 24


def test_a_later_start_makes_none_of_them_anew(layout: Layout) -> None:
    write_secrets(layout, owner_of(layout), {})
    before = contents(layout)
    assert write_secrets(layout, owner_of(layout), {}) == []
    assert contents(layout) == before


def test_redis_gets_hashes_alone_and_a_lost_file_is_made_again(layout: Layout) -> None:
    write_secrets(layout, owner_of(layout), {})
    password, text = contents(layout)["redis_password"], layout.acl_file.read_text()
    assert hashlib.sha256(password.encode()).hexdigest() in text
    assert password not in text
    assert stat.S_IMODE(layout.acl_file.stat().st_mode) == 0o644
    layout.acl_file.unlink()
    assert write_secrets(layout, owner_of(layout), {}) == []
    assert layout.acl_file.read_text() == text


def test_the_exporter_reads_its_password_by_address(layout: Layout) -> None:
    write_secrets(layout, owner_of(layout), {})
    (address, password), *others = json.loads(contents(layout)["redis_exporter_password"]).items()
    assert (address, others) == ("redis://exporter@redis:6379", [])
    assert hashlib.sha256(password.encode()).hexdigest() in layout.acl_file.read_text()


def test_the_key_of_openai_follows_the_setting(layout: Layout) -> None:
    for given, kept in (("sk-1", "sk-1"), ("sk-2", "sk-2"), ("", "sk-2")):
        write_secrets(layout, owner_of(layout), {"OPENAI_API_KEY": given})
        assert contents(layout)["openai_api_key"] == kept


def test_a_template_keeps_its_own_braces() -> None:
    assert acl_text("~{{rag}}:* #{rag_sha256} #{exporter_sha256}", "", "").startswith("~{rag}:* #e3b0")


def test_containers_run_as_the_caller_and_never_as_root(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for caller, owner in ((1000, (1000, 1000)), (0, CONTAINER_USER)):
        monkeypatch.setattr("os.getuid", lambda caller=caller: caller)
        monkeypatch.setattr("os.getgid", lambda caller=caller: caller)
        assert choose_owner(layout) == owner
