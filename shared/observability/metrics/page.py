"""The declarations as a page for people: ``docs/metrics.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.observability.metrics.catalogue import PROCESS_METRICS, SECTIONS, Section
from shared.observability.metrics.declaration import (
    Declared,
    DeclaredHistogram,
    DeclaredOptionalGauge,
    Label,
    declared_in,
)

COMMAND = "python -m shared.observability.metrics > docs/metrics.md"

_INTRODUCTION = f"""# Metrics

Written by `{COMMAND}` from the declarations in
`shared/observability/metrics/`; a test fails when it is out of date.

`GET /metrics` of the API's port, and of the producer's and the processor's `METRICS_PORT`, answers in the
text format, or in OpenMetrics, with exemplars, to who accepts `application/openmetrics-text` as Prometheus
does. An exemplar carries the `trace_id` of a request or an event that the figure came from, if that trace is
exported (`OTEL_EXPORTER_OTLP_ENDPOINT`) and sampled.

Labels have the values below and no others: ids, titles, questions and addresses are never labels. All series
exist from the start, with 0, but for those that say when they are absent. Histograms end in `_bucket` (upper
bounds in the label `le`), `_sum` and `_count`. Several processors each have series of their own, told
apart by `instance`; the gauges of the store are the same in each then, so take their `max`, not their `sum`.
"""


def metrics_page() -> str:
    return "\n".join([_INTRODUCTION, *(line for section in SECTIONS for line in _section(section))])


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    yield f"Exposed by: {', '.join(section.services)}"
    yield ""
    for declared in declared_in(section.group).values():
        yield from _metric(declared)
    if section is SECTIONS[-1]:
        for name, meaning in PROCESS_METRICS.items():
            yield f"- **`{name}`**: {meaning}"
    yield ""


def _metric(declared: Declared[Any]) -> Iterator[str]:
    kind = f"{declared.kind}, {declared.unit}" if declared.unit else declared.kind
    yield f"- **`{declared.name}`** ({kind}): {declared.meaning}"
    for label in declared.labels:
        yield f"  - `{label.name}`: {_values(label)}"
    if isinstance(declared, DeclaredOptionalGauge):
        yield f"  - absent {declared.absent}"
    if isinstance(declared, DeclaredHistogram):
        bounds = " ".join(f"{bound:.15g}" for bound in declared.buckets)
        yield f"  - buckets: {bounds}" + ("; with exemplars" if declared.has_exemplars else "")


def _values(label: Label) -> str:
    return ", ".join(f"`{value}`" for value in label.values) or label.bound
