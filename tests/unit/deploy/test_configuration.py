from __future__ import annotations

import configparser
import shlex
from pathlib import Path
from typing import Any

import pytest

from deploy.local.configuration import ROOT, Stack, merge_environment, service_of, thread_counts
from deploy.local.facts import as_started, write_facts
from deploy.local.programs import stack_programs, supervisor_config
from deploy.local.settings import LocalStackSettings
from shared.errors import ConfigurationError
from shared.settings import load_settings

SERVICES = ("broker", "replay", "processor", "api", "producer")


def stack_in(data_dir: Path, processors: int = 1, *, prometheus: bool = False, **changes: Any) -> Stack:
    settings = LocalStackSettings(_env_file=None, data_dir=data_dir, **changes)  # type: ignore[call-arg]
    return Stack(settings, processors, prometheus)


class TestEnvironment:
    def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(self) -> None:
        merged = merge_environment(
            {"SOURCE_REWIND": "1m"}, {"SOURCE_REWIND": "2m", "kafka_session_timeout_ms": "7000"}
        )
        assert merged["SOURCE_REWIND"] == "1m"
        assert merged["KAFKA_SESSION_TIMEOUT_MS"] == "7000"
        assert merged["KAFKA_ASSIGNMENT_STRATEGY"] == "range"

    def test_a_name_in_lower_case_wins_too(self) -> None:
        merged = merge_environment({"source_rewind": "1m"}, {"SOURCE_REWIND": "2m"})
        assert merged["source_rewind"] == "1m"
        assert "SOURCE_REWIND" not in merged

    def test_a_name_without_a_value_is_not_a_setting(self) -> None:
        assert "SOURCE" not in merge_environment({}, {"SOURCE": None})

    def test_an_empty_setting_of_opentelemetry_is_not_set(self) -> None:
        merged = merge_environment(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "API_PORT": ""}, {"OTEL_SDK_DISABLED": ""}
        )
        assert not [name for name in merged if name.startswith("OTEL_")]
        assert merged["API_PORT"] == ""

    def test_services_find_everything_in_one_folder(self, tmp_path: Path) -> None:
        environment = stack_in(tmp_path, replay_port=7777).environment({"PATH": "/bin"}, "replay")
        assert environment["DATA_DIR"] == str(tmp_path)
        assert environment["API_KEYS_FILE"] == str(tmp_path / "api-keys")
        assert environment["SOURCE"] == "replay"
        assert environment["REPLAY_URL"] == "http://127.0.0.1:7777"
        assert environment["PATH"] == "/bin"

    @pytest.mark.parametrize(
        ("cores", "expected"),
        [
            (1, {"processor": 1, "api": 1}),
            (2, {"processor": 2, "api": 1}),
            (16, {"processor": 8, "api": 2}),
        ],
    )
    def test_embedding_gets_the_cores(self, cores: int, expected: dict[str, int]) -> None:
        assert thread_counts(cores) == expected

    @pytest.mark.parametrize(("cores", "processors", "share"), [(2, 2, 1), (2, 4, 1), (8, 2, 4), (32, 2, 8)])
    def test_processors_share_the_cores(self, cores: int, processors: int, share: int) -> None:
        assert thread_counts(cores, processors)["processor"] == share


class TestPlaces:
    def test_a_relative_data_folder_is_in_the_project(self) -> None:
        assert stack_in(Path("data")).data_dir == ROOT / "data"

    def test_the_socket_is_in_the_data_folder(self, tmp_path: Path) -> None:
        assert stack_in(Path("/srv/rag")).socket == Path("/srv/rag/run/supervisord.sock")

    def test_a_socket_path_that_is_too_long_gets_a_short_one_of_its_own(self) -> None:
        first, second = (stack_in(Path("/srv") / (letter * 90)).socket for letter in "ab")
        # supervisord binds to the path with "." and its process id appended; 104 is macOS's limit.
        assert len(f"{first}.4194304") < 104
        assert first != second
        assert first == stack_in(Path("/srv") / ("a" * 90)).socket

    @pytest.mark.parametrize(
        ("host", "url"),
        [
            ("127.0.0.1", "http://127.0.0.1:8000"),
            ("0.0.0.0", "http://127.0.0.1:8000"),
            ("::1", "http://[::1]:8000"),
            ("box.example", "http://box.example:8000"),
        ],
    )
    def test_the_url_can_be_opened_whatever_the_api_listens_on(
        self, tmp_path: Path, host: str, url: str
    ) -> None:
        assert stack_in(tmp_path, api_host=host).api_url == url

    def test_the_live_stream_needs_no_replay_port(self, tmp_path: Path) -> None:
        stack = stack_in(tmp_path)
        assert tuple(stack.ports("replay")) == SERVICES
        assert set(stack.ports("wikimedia")) == set(SERVICES) - {"replay"}

    def test_prometheus_has_a_port_where_it_is_asked_for(self, tmp_path: Path) -> None:
        ports = stack_in(tmp_path, prometheus=True, prometheus_port=7009).ports("replay")
        assert ports["prometheus"] == ("PROMETHEUS_PORT", 7009)
        assert tuple(ports) == (*SERVICES, "prometheus")

    def test_what_it_keeps_is_among_what_the_stack_writes(self, tmp_path: Path) -> None:
        assert tmp_path / "prometheus" in stack_in(tmp_path).own_files()


class TestScale:
    def test_each_processor_has_a_port_after_the_first(self, tmp_path: Path) -> None:
        ports = stack_in(tmp_path, 3, processor_metrics_port=7001).ports("wikimedia")
        assert list(ports) == ["broker", "processor", "processor-2", "processor-3", "api", "producer"]
        assert [ports[name] for name in ("processor", "processor-2", "processor-3")] == [
            ("PROCESSOR_METRICS_PORT", 7001),
            ("PROCESSOR_METRICS_PORT+1", 7002),
            ("PROCESSOR_METRICS_PORT+2", 7003),
        ]

    def test_the_facts_list_all(self, tmp_path: Path) -> None:
        facts = stack_in(tmp_path, 2, processor_metrics_port=7001).facts("wikimedia")
        assert facts["scale"] == {"processor": 2}
        assert facts["metrics"]["processor-2"] == "http://127.0.0.1:7002/metrics"
        assert facts["ports"]["processor-2"] == 7002

    def test_a_running_stack_is_known_with_its_scale(self, tmp_path: Path) -> None:
        stack = stack_in(tmp_path, 3)
        stack.run_dir.mkdir()
        write_facts(stack, stack.facts("wikimedia"))
        assert as_started(stack_in(tmp_path)) == stack

    def test_a_running_stack_is_known_with_its_prometheus(self, tmp_path: Path) -> None:
        stack = stack_in(tmp_path, prometheus=True, prometheus_port=7009)
        stack.run_dir.mkdir()
        facts = stack.facts("wikimedia")
        assert facts["urls"]["prometheus"] == "http://127.0.0.1:7009"
        assert "prometheus" not in facts["metrics"]  # those of the services
        write_facts(stack, facts)
        assert as_started(stack_in(tmp_path)) == stack

    def test_facts_of_an_earlier_version_mean_one_alone(self, tmp_path: Path) -> None:
        stack = stack_in(tmp_path)
        stack.run_dir.mkdir()
        facts = stack.facts("wikimedia")
        del facts["scale"], facts["with"]
        write_facts(stack, facts)
        assert as_started(stack) == stack

    @pytest.mark.parametrize(
        ("program", "service"), [("processor", "processor"), ("processor-12", "processor"), ("api", "api")]
    )
    def test_a_program_is_of_a_service(self, program: str, service: str) -> None:
        assert service_of(program) == service


class TestSettings:
    @pytest.mark.parametrize(
        "value", ["kafka.example:9092", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:1,127.0.0.1:2"]
    )
    def test_the_broker_is_our_own(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", value)
        with pytest.raises(ConfigurationError, match=r"KAFKA_BOOTSTRAP_SERVERS=.*127\.0\.0\.1:PORT"):
            load_settings(LocalStackSettings)

    def test_the_memory_store_cannot_be_shared_by_processes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VECTOR_STORE", "memory")
        with pytest.raises(ConfigurationError, match="VECTOR_STORE=memory"):
            load_settings(LocalStackSettings)


class TestSupervisorConfiguration:
    def parsed(self, stack: Stack, source: str, **given: str) -> configparser.RawConfigParser:
        binaries = {"broker": ["/b/tansu", "broker"], "prometheus": ["/b/prometheus"]}
        programs = stack_programs(stack, source, "/v env/python", binaries, 4, given)
        config = configparser.RawConfigParser()
        config.read_string(supervisor_config(stack, programs))
        return config

    def test_one_program_for_each_service(self, tmp_path: Path) -> None:
        config = self.parsed(stack_in(tmp_path), "replay")
        names = [name.removeprefix("program:") for name in config.sections() if name.startswith("program:")]
        assert tuple(names) == SERVICES
        assert "program:replay" not in self.parsed(stack_in(tmp_path), "wikimedia")

    def test_prometheus_is_a_program_like_the_others_where_it_is_asked_for(self, tmp_path: Path) -> None:
        config = self.parsed(stack_in(tmp_path, prometheus=True), "replay")
        assert config["program:prometheus"]["command"] == "/b/prometheus"
        assert config["program:prometheus"]["stdout_logfile"] == str(tmp_path / "logs" / "prometheus.log")
        assert "environment" not in config["program:prometheus"]

    def test_a_path_with_a_space_stays_one_argument(self, tmp_path: Path) -> None:
        command = self.parsed(stack_in(tmp_path), "replay")["program:api"]["command"]
        assert shlex.split(command) == ["/v env/python", "-m", "services.api"]

    @pytest.mark.parametrize("folder", ["100%", "100%(x)s", "a #b", "a ;b"])
    def test_a_path_that_supervisord_would_misread_is_refused(self, folder: str) -> None:
        with pytest.raises(ConfigurationError, match="supervisord cannot take"):
            self.parsed(stack_in(Path("/srv") / folder), "replay")

    def test_a_path_with_a_space_is_fine(self) -> None:
        config = self.parsed(stack_in(Path("/srv/my data")), "replay")
        assert config["supervisord"]["logfile"] == "/srv/my data/logs/supervisord.log"

    def test_the_socket_is_ours_alone(self, tmp_path: Path) -> None:
        assert self.parsed(stack_in(tmp_path), "replay")["unix_http_server"]["chmod"] == "0600"

    def test_ports_and_threads_go_to_their_service(self, tmp_path: Path) -> None:
        stack = stack_in(tmp_path, processor_metrics_port=7001, producer_metrics_port=7002)
        config = self.parsed(stack, "wikimedia")
        assert (
            config["program:processor"]["environment"]
            == 'METRICS_PORT="7001",OMP_NUM_THREADS="4",EMBEDDER_THREADS="4"'
        )
        assert config["program:producer"]["environment"] == 'METRICS_PORT="7002"'
        assert (
            config["program:api"]["environment"]
            == 'OMP_NUM_THREADS="2",EMBEDDER_THREADS="2",RERANKER_THREADS="2",READER_THREADS="2"'
        )

    def test_each_processor_is_a_program_of_its_own(self, tmp_path: Path) -> None:
        config = self.parsed(stack_in(tmp_path, 2, processor_metrics_port=7001), "wikimedia")
        for name, port in (("processor", 7001), ("processor-2", 7002)):
            section = config[f"program:{name}"]
            assert section["environment"] == f'METRICS_PORT="{port}",OMP_NUM_THREADS="2",EMBEDDER_THREADS="2"'
            assert shlex.split(section["command"])[-1] == "services.processor"
            assert section["stdout_logfile"] == str(tmp_path / "logs" / f"{name}.log")

    def test_a_given_thread_count_wins(self, tmp_path: Path) -> None:
        config = self.parsed(stack_in(tmp_path), "wikimedia", OMP_NUM_THREADS="3")
        assert "environment" not in config["program:api"]
        config = self.parsed(stack_in(tmp_path), "wikimedia", EMBEDDER_THREADS="3")
        assert (
            config["program:api"]["environment"]
            == 'OMP_NUM_THREADS="2",RERANKER_THREADS="2",READER_THREADS="2"'
        )
        config = self.parsed(stack_in(tmp_path), "wikimedia", RERANKER_THREADS="3")
        assert (
            config["program:api"]["environment"]
            == 'OMP_NUM_THREADS="2",EMBEDDER_THREADS="2",READER_THREADS="2"'
        )

    def test_logs_are_rotated_and_groups_stopped(self, tmp_path: Path) -> None:
        for name in SERVICES:
            section = self.parsed(stack_in(tmp_path), "replay")[f"program:{name}"]
            assert section["stdout_logfile"] == str(tmp_path / "logs" / f"{name}.log")
            assert section["stdout_logfile_maxbytes"] == "5MB"
            assert section["stopasgroup"] == section["killasgroup"] == "true"
