"""The processes of the local stack, as a supervisord configuration. Pure text."""

from __future__ import annotations

import configparser
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.local.configuration import ROOT, Stack, service_of, thread_counts
from shared.errors import ConfigurationError

_HAVE_METRICS_PORT = ("processor", "producer")
_OUR_OWN = ("replay", "processor", "api", "producer")

_MODEL_THREADS = {
    "processor": ("EMBEDDER_THREADS",),
    "api": ("EMBEDDER_THREADS", "RERANKER_THREADS", "READER_THREADS"),
}

_PYTHON_PROGRAM = {
    # The close of a service is bounded by 25 s (shared.lifecycle).
    "stopwaitsecs": "30",
    # Later exits are crashes of a service that had come up, and are restarted without a limit.
    "startsecs": "10",
}

_BINARY_PROGRAM = {"startsecs": "1", "stopwaitsecs": "10"}


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def stack_programs(
    stack: Stack,
    source: str,
    python: str,
    binaries: Mapping[str, Sequence[str]],
    cores: int,
    given: Mapping[str, str],
) -> list[Program]:
    """In the order they start; they stop in the opposite one.

    ``binaries``: the commands of the programs that are not our own. ``given``: the user's environment, where
    a thread count wins over the shares computed here.
    """
    threads = thread_counts(cores, stack.processors)

    def service(name: str, port: int) -> Program:
        environment: dict[str, str] = {}
        service = service_of(name)
        if service in _HAVE_METRICS_PORT:
            environment["METRICS_PORT"] = str(port)
        if service in threads and "OMP_NUM_THREADS" not in given:  # read by torch and by FAISS
            settings = [name for name in _MODEL_THREADS[service] if name not in given]
            environment |= dict.fromkeys(["OMP_NUM_THREADS", *settings], str(threads[service]))
        return Program(name, [python, "-m", f"services.{service}"], environment)

    return [
        Program(name, binaries[name]) if name in binaries else service(name, port)
        for name, (_, port) in stack.ports(source).items()
    ]


def supervisor_config(stack: Stack, programs: Sequence[Program]) -> str:
    """The text of ``supervisord.conf``.

    :raises ConfigurationError: a path holds what supervisord would misread.
    """
    config = configparser.RawConfigParser()
    config["supervisord"] = _checked(
        {
            "nodaemon": "true",
            "silent": "true",
            "umask": "077",
            "logfile": str(stack.log_file("supervisord")),
            "logfile_maxbytes": "1MB",
            "logfile_backups": "1",
            "pidfile": str(stack.supervisor_pid_file),
            "childlogdir": str(stack.logs_dir),
            "directory": str(ROOT),
        }
    )
    config["unix_http_server"] = _checked({"file": str(stack.socket), "chmod": "0600"})
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    config["supervisorctl"] = _checked({"serverurl": f"unix://{stack.socket}"})
    for priority, program in enumerate(programs):
        config[f"program:{program.name}"] = _checked(_program_section(stack, program, priority))
    text = io.StringIO()
    config.write(text)
    return text.getvalue()


def _program_section(stack: Stack, program: Program, priority: int) -> dict[str, str]:
    own = _PYTHON_PROGRAM if service_of(program.name) in _OUR_OWN else _BINARY_PROGRAM
    environment = ",".join(f'{name}="{value}"' for name, value in program.environment.items())
    return {
        "command": shlex.join(program.command),
        "directory": str(ROOT),
        "priority": str(priority),
        "autorestart": "true",
        "startretries": "10",
        **own,
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(stack.log_file(program.name)),
        "stdout_logfile_maxbytes": "5MB",
        "stdout_logfile_backups": "2",
        **({"environment": environment} if environment else {}),
    }


def _checked(section: Mapping[str, str]) -> dict[str, str]:
    """supervisord expands ``%``, some values even twice, and takes `` ;`` and `` #`` for a comment."""
    for value in section.values():
        if any(special in value for special in ("%", " ;", " #", "\n")):
            raise ConfigurationError(f"{value!r}: supervisord cannot take a path with %, ' ;' or ' #' in it")
    return dict(section)
