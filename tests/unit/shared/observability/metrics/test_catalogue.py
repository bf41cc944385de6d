"""What is declared is exposed, what is exposed is declared, and the page says both."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry

from bench.stack import ROOT
from shared.observability.metrics import ApiMetrics, ProcessorMetrics, ProducerMetrics
from shared.observability.metrics.catalogue import PROCESS_METRICS, SECTIONS
from shared.observability.metrics.declaration import (
    Declared,
    DeclaredHistogram,
    DeclaredOptionalGauge,
    MetricGroup,
    declared_in,
)
from shared.observability.metrics.page import COMMAND, metrics_page
from tests.support.exposition import families, give_each_a_value, openmetrics, samples

SERVICES = {"producer": ProducerMetrics, "processor": ProcessorMetrics, "api": ApiMetrics}
DECLARED: list[Declared[object]] = [
    declared for section in SECTIONS for declared in declared_in(section.group).values()
]
services = pytest.mark.parametrize("service", SERVICES)
each_metric = pytest.mark.parametrize("declared", DECLARED, ids=[declared.name for declared in DECLARED])


def exposition(service: str) -> str:
    registry = CollectorRegistry()
    give_each_a_value(SERVICES[service](registry))
    return openmetrics(registry)


def declared_for(service: str) -> dict[str, Declared[object]]:
    return {
        declared.name: declared
        for section in SECTIONS
        if service in section.services
        for declared in declared_in(section.group).values()
    }


@services
def test_a_service_exposes_what_is_declared_for_it_and_nothing_else(service: str) -> None:
    found = families(exposition(service))
    assert found.keys() == declared_for(service).keys() | PROCESS_METRICS.keys()
    for name, declared in declared_for(service).items():
        assert (found[name].type, found[name].documentation) == (declared.kind, declared.meaning)


@services
def test_label_sets_are_there_before_anything_has_happened(service: str) -> None:
    registry = CollectorRegistry()
    SERVICES[service](registry)
    found = families(openmetrics(registry))
    for declared in declared_for(service).values():
        if isinstance(declared, DeclaredOptionalGauge):
            assert declared.name not in found, "a value before there is one"
            continue
        expected = set(itertools.product(*(label.values for label in declared.labels)))
        actual = {
            tuple(sample.labels[name] for name in declared.label_names)
            for sample in found[declared.name].samples
        }
        assert actual == expected or declared.name == "rag_build_info"


@services
def test_the_buckets_are_those_declared(service: str) -> None:
    found = families(exposition(service))
    for declared in declared_for(service).values():
        if isinstance(declared, DeclaredHistogram):
            bounds = [
                float(sample.labels["le"]) for sample in found[declared.name].samples if "le" in sample.labels
            ]
            assert tuple(bounds[: len(declared.buckets)]) == (declared.buckets if bounds else ())


@services
def test_it_says_what_runs(service: str) -> None:
    [info] = [sample for sample in samples(exposition(service)) if sample.name == "rag_build_info"]
    assert (info.value, info.labels["service"]) == (1, service)
    assert re.fullmatch(r"\d+\.\d+\.\d+", info.labels["version"])


@services
def test_there_is_no_second_series_for_the_time_of_creation(service: str) -> None:
    assert not [sample.name for sample in samples(exposition(service)) if sample.name.endswith("_created")]


def test_each_name_is_declared_once() -> None:
    assert [
        name for name, number in Counter(declared.name for declared in DECLARED).items() if number > 1
    ] == []


def test_no_group_is_left_out() -> None:
    assert set(MetricGroup.__subclasses__()) == {section.group for section in SECTIONS}


@each_metric
def test_names_keep_the_conventions(declared: Declared[object]) -> None:
    assert re.fullmatch(r"(rag|http|gen_ai|messaging|db)_[a-z_]+", declared.name)
    assert declared.name.endswith("_total") == (declared.kind == "counter")
    if declared.unit.startswith("seconds"):
        assert declared.name.endswith("_seconds")
    if declared.unit == "bytes":
        assert declared.name.endswith("_bytes")
    assert declared.meaning.endswith(".")
    assert all(label.values or label.bound for label in declared.labels), "what bounds it?"
    if isinstance(declared, DeclaredHistogram):
        assert list(declared.buckets) == sorted(set(declared.buckets))


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text("utf-8") == metrics_page(), f"run {COMMAND}"


@each_metric
def test_the_page_has_it(declared: Declared[object]) -> None:
    page = metrics_page()
    assert f"**`{declared.name}`** ({declared.kind}" in page
    assert declared.meaning in page
    assert all(value in page for label in declared.labels for value in label.values)
