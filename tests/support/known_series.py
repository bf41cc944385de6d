"""Every series that a Prometheus of ours can have: what the services declare, and what others do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import yaml
from prometheus_client.utils import floatToGoString

from deploy.local.configuration import ROOT
from shared.observability import metrics
from shared.observability.metrics.declaration import DeclaredHistogram, MetricGroup, declared_in
from tests.support.parsed_promql import grouping

JOBS = ("api", "producer", "processor", "prometheus")


@dataclass(frozen=True)
class Series:
    labels: Mapping[str, tuple[str, ...]]
    """Name -> all values; none where only a running service knows them."""
    has_exemplars: bool = False


_EVERYWHERE: dict[str, tuple[str, ...]] = {"job": JOBS, "instance": ()}

OTHERS = {
    name: Series({**_EVERYWHERE, **labels})
    for name, labels in {
        "up": {},
        "scrape_duration_seconds": {},
        "ALERTS": {"alertname": (), "alertstate": ("pending", "firing"), "severity": ()},
        "process_cpu_seconds_total": {},
        "process_resident_memory_bytes": {},
        "process_start_time_seconds": {},
        "process_open_fds": {},
        "process_max_fds": {},
        "prometheus_tsdb_head_series": {},
        "prometheus_rule_evaluation_failures_total": {"rule_group": ()},
    }.items()
}
"""Of Prometheus itself and of its client library."""


@cache
def known_series() -> Mapping[str, Series]:
    return {**OTHERS, **dict(_declared()), **dict(_recorded())}


def _recorded() -> Iterator[tuple[str, Series]]:
    """What recording rules compute, by the labels that their aggregations keep."""
    for path in (ROOT / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    yield rule["record"], Series(dict.fromkeys(grouping(rule["expr"]) - {"le"}, ()))


def _declared() -> Iterator[tuple[str, Series]]:
    assert metrics.ApiMetrics in set(_groups(MetricGroup))
    for group in _groups(MetricGroup):
        for declared in declared_in(group).values():
            labels = {**_EVERYWHERE, **{label.name: label.values for label in declared.labels}}
            if not isinstance(declared, DeclaredHistogram):
                yield declared.name, Series(labels)
                continue
            bounds = tuple(floatToGoString(bound) for bound in (*declared.buckets, float("inf")))
            exemplars = declared.has_exemplars
            yield f"{declared.name}_bucket", Series({**labels, "le": bounds}, exemplars)
            yield f"{declared.name}_sum", Series(labels, exemplars)
            yield f"{declared.name}_count", Series(labels, exemplars)


def _groups(group: type[MetricGroup]) -> Iterator[type[MetricGroup]]:
    for subclass in group.__subclasses__():
        yield subclass
        yield from _groups(subclass)
