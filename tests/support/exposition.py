"""What ``/metrics`` says, read as Prometheus would."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from shared.observability.metrics.declaration import Declared, MetricGroup, OptionalGauge, declared_in


def openmetrics(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def families(text: str) -> dict[str, Metric]:
    """By their names as declared: those of counters with ``_total``. The parser refuses what is not valid."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family
        for family in text_string_to_metric_families(text)
    }


def samples(text: str) -> list[Sample]:
    return [sample for family in families(text).values() for sample in family.samples]


def exemplars(text: str, name: str) -> set[str]:
    """The trace ids that the histogram's buckets carry."""
    return {
        sample.exemplar.labels["trace_id"]
        for sample in samples(text)
        if sample.name == f"{name}_bucket" and sample.exemplar is not None
    }


def instances(metrics: MetricGroup) -> Iterator[tuple[Declared[object], object]]:
    """Each declaration of a group, and of the groups within it, with its collector."""
    for attribute, declared in declared_in(type(metrics)).items():
        yield declared, vars(metrics)[attribute]
    for part in vars(metrics).values():
        if isinstance(part, MetricGroup):
            yield from instances(part)


def give_each_a_value(metrics: MetricGroup) -> None:
    """So that none is absent."""
    for declared, collector in instances(metrics):
        if isinstance(collector, OptionalGauge):
            collector.set(1.0, *(label.values[0] if label.values else "x" for label in declared.labels))
