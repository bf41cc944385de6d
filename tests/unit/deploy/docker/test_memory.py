from __future__ import annotations

from typing import Any

from deploy.docker.memory import limit_problems, memory_problem, needed_memory

GIB = 1024**3
MODEL: dict[str, Any] = {
    "services": {
        "redis": {"mem_reservation": str(GIB), "mem_limit": str(2 * GIB)},
        "processor": {"mem_limit": str(2 * GIB)},
        "api": {"deploy": {"resources": {"limits": {"memory": str(GIB)}}}},
        "gateway": {},
    }
}


def test_what_is_reserved_counts_or_else_the_limit_for_each_replica() -> None:
    assert needed_memory(MODEL, {}) == 4 * GIB
    assert needed_memory(MODEL, {"processor": 3, "api": 2}) == 9 * GIB


def test_a_limit_below_the_reservation_counts() -> None:
    services = {"kafka": {"mem_reservation": str(2 * GIB), "mem_limit": str(GIB)}}
    assert needed_memory({"services": services}, {}) == GIB


def test_a_limit_that_the_engine_would_refuse_is_named_with_its_setting() -> None:
    services = {
        "kafka": {"mem_reservation": str(2 * GIB), "mem_limit": str(GIB)},
        "redis": {"mem_reservation": str(GIB), "mem_limit": str(GIB)},
    }
    assert limit_problems({"services": services}) == [
        "KAFKA_MEMORY: 1,024 MB is too little for kafka; it needs 2,048 MB or more"
    ]


def test_enough_is_enough() -> None:
    assert memory_problem(4 * GIB, 4 * GIB, lite=False) is None


def test_too_little_is_one_line_with_figures_and_cures() -> None:
    line = memory_problem(2 * GIB, 4 * GIB, lite=False)
    assert line is not None
    assert line.startswith("memory: the engine has 2,048 MB, the chosen services need 4,096 MB; ")
    assert "--profile lite" in line
    assert "--profile lite" not in str(memory_problem(2 * GIB, 4 * GIB, lite=True))
