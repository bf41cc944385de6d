from __future__ import annotations

from pathlib import Path

import pytest

from services.api.auth import KeyRing, presented_keys
from shared.errors import ConfigurationError


def write_keys(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_listed_key_is_accepted_and_nothing_else(tmp_path: Path) -> None:
    ring = KeyRing(write_keys(tmp_path / "keys", "# two keys\nfirst-key\n\n  second-key  \n"))
    assert ring.accepts([b"first-key"])
    assert ring.accepts([b"second-key"])
    assert ring.accepts([b"wrong", b"second-key"])
    for wrong in (b"", b"# two keys", b"first-ke", b"first-keyy", b"FIRST-KEY", "klé".encode(), b"\xff"):
        assert not ring.accepts([wrong]), wrong
    assert not ring.accepts([])


@pytest.mark.parametrize(
    ("text", "mode", "named"),
    [
        ("", 0o600, "holds no key"),
        ("# only a comment\n\n", 0o600, "holds no key"),
        ("key\n", 0o644, "chmod 600"),
        ("key\n", 0o620, "chmod 600"),
        ("two words\n", 0o600, "space"),
        ("clé\n", 0o600, "visible ASCII"),
    ],
)
def test_an_unusable_file_stops_the_process_with_one_line(
    tmp_path: Path, text: str, mode: int, named: str
) -> None:
    path = write_keys(tmp_path / "keys", text, mode)
    with pytest.raises(ConfigurationError) as caught:
        KeyRing(path)
    message = str(caught.value)
    assert f"API_KEYS_FILE={path}" in message
    assert named in message
    assert "\n" not in message


def test_a_missing_file_stops_the_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"API_KEYS_FILE=.*absent.*No such file"):
        KeyRing(tmp_path / "absent")


def test_keys_are_rotated_without_a_restart(tmp_path: Path) -> None:
    path = write_keys(tmp_path / "keys", "old-key\n")
    ring = KeyRing(path)
    replacement = write_keys(tmp_path / "keys.new", "new-key\n")
    replacement.replace(path)
    assert ring.accepts([b"new-key"])
    assert not ring.accepts([b"old-key"])


@pytest.mark.parametrize("damage", ["delete", "empty", "open"])
def test_while_the_file_is_unusable_no_key_is_accepted(tmp_path: Path, damage: str) -> None:
    path = write_keys(tmp_path / "keys", "a-key\n")
    ring = KeyRing(path)
    assert ring.accepts([b"a-key"])
    if damage == "delete":
        path.unlink()
    elif damage == "empty":
        path.write_text("")
    else:
        write_keys(tmp_path / "keys.new", "a-key\n", 0o644).replace(path)
    assert not ring.accepts([b"a-key"])
    write_keys(tmp_path / "keys.new", "a-key\n").replace(path)
    assert ring.accepts([b"a-key"])


def test_the_cure_that_the_error_names_is_a_cure(tmp_path: Path) -> None:
    path = write_keys(tmp_path / "keys", "a-key\n")
    ring = KeyRing(path)
    path.chmod(0o644)
    assert not ring.accepts([b"a-key"])
    path.chmod(0o600)
    assert ring.accepts([b"a-key"])


def test_keys_are_found_in_both_headers() -> None:
    headers = [
        (b"host", b"x"),
        (b"authorization", b"bEaReR  one "),
        (b"x-api-key", b" two "),
        (b"authorization", b"Basic three"),
        (b"authorization", b"Bearer"),
    ]
    assert presented_keys(headers) == [b"one", b"two", b""]
