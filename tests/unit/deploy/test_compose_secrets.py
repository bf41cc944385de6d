"""No secret stands where ``docker inspect`` shows it, and each is given to who needs it."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.compose_file import given, read_compose, services

SERVICES = services()

GIVEN_TO = {
    "api": {"api_keys", "openai_api_key", "redis_password"},
    "grafana": {"grafana_admin_password"},
    "processor": {"redis_password"},
    "redis-exporter": {"redis_exporter_password"},
}
RUN_AS = {"STACK_UID": "1234", "STACK_GID": "2345"}


def test_each_secret_is_mounted_where_it_is_needed_and_nowhere_else() -> None:
    found = {
        name: {secret["source"] for secret in service["secrets"]}
        for name, service in SERVICES.items()
        if "secrets" in service
    }
    assert found == GIVEN_TO


def test_every_secret_is_a_file_under_the_folder_of_the_stack() -> None:
    secrets = read_compose(environment={"STACK_DIR": "/stack"})["secrets"]
    assert set(secrets) == set().union(*GIVEN_TO.values())
    assert {name: secret["file"] for name, secret in secrets.items()} == {
        name: f"/stack/secrets/{name}" for name in secrets
    }
    assert read_compose(environment={"STACK_DIR": "/stack"})["configs"]["redis-users"]["file"] == (
        "/stack/redis/users.acl"
    )


def test_the_users_own_files_take_the_place_of_generated_ones() -> None:
    own = {"API_KEYS_FILE": "/home/me/keys", "OPENAI_API_KEY_FILE": "/home/me/openai"}
    secrets = read_compose(environment=own)["secrets"]
    assert secrets["api_keys"]["file"] == "/home/me/keys"
    assert secrets["openai_api_key"]["file"] == "/home/me/openai"


def test_a_key_in_the_environment_goes_nowhere() -> None:
    secret = "canary-9f2c"
    leaky = dict.fromkeys(
        ("OPENAI_API_KEY", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "OTEL_EXPORTER_OTLP_HEADERS", "API_KEY"),
        secret,
    )
    assert secret not in json.dumps(read_compose(environment=leaky))


@pytest.mark.parametrize("name", SERVICES)
def test_no_variable_holds_a_secret(name: str) -> None:
    secretive = re.compile(r"PASSWORD|SECRET|TOKEN(?!S|IZERS)|_KEY(?!S_FILE)|CREDENTIAL")
    for variable, value in given({"environment": {}, **SERVICES[name]}).items():
        if secretive.search(variable):
            assert variable.endswith("FILE"), variable
            assert value.startswith("/run/secrets/")
        assert not re.search(r"://[^/@\s]*:[^/@\s]+@", value), variable


@pytest.mark.parametrize("name", sorted({*GIVEN_TO, "producer", "kafka-topics", "replay"}))
def test_who_reads_a_secret_runs_as_who_owns_it(name: str) -> None:
    assert SERVICES[name]["user"] == "10001:10001"
    assert services(environment=RUN_AS)[name]["user"] == "1234:2345"


def test_grafana_has_no_door_but_the_generated_password() -> None:
    environment = given(SERVICES["grafana"])
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_admin_password"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment


def test_grafana_asks_nobody_outside() -> None:
    environment = given(SERVICES["grafana"])
    for switch in (
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED",
        "GF_PLUGINS_PREINSTALL_AUTO_UPDATE",
    ):
        assert environment[switch] == "false"
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
