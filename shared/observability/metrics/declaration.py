"""How a metric is declared: once, as an attribute of its group.

The attribute of the class is the declaration, from which the documentation is written; the same attribute of
an instance is the collector, registered and with all its label sets.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

AnyCollector = TypeVar("AnyCollector", bound=Collector)


@dataclass(frozen=True, slots=True)
class Label:
    """``values``: all that there are, or, where only the configuration knows them, what ``bound`` says."""

    name: str
    values: tuple[str, ...] = ()
    bound: str = ""


class MetricGroup:
    """Metrics that live together on a registry; subclasses declare them as attributes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        for attribute, declared in declared_in(type(self)).items():
            vars(self)[attribute] = declared.on(registry)  # found before the declaration, and as fast as any


@dataclass(frozen=True, eq=False)
class Declared(ABC, Generic[AnyCollector]):
    """``unit`` in the plural; ``labels``' values exist from the start, with 0, where they are all known."""

    name: str
    meaning: str
    unit: str
    labels: tuple[Label, ...] = ()
    kind: ClassVar[str]

    @overload
    def __get__(self, instance: None, owner: type[MetricGroup]) -> Self: ...

    @overload
    def __get__(self, instance: MetricGroup, owner: type[MetricGroup]) -> AnyCollector: ...

    def __get__(self, instance: MetricGroup | None, owner: type[MetricGroup]) -> Self | AnyCollector:
        if instance is None:
            return self
        raise AttributeError(f"{owner.__name__}.__init__ was not called")

    @abstractmethod
    def on(self, registry: CollectorRegistry) -> AnyCollector: ...

    @property
    def label_names(self) -> list[str]:
        return [label.name for label in self.labels]

    def label_sets(self) -> Iterable[tuple[str, ...]]:
        """All of them; none where they are not known beforehand."""
        return itertools.product(*(label.values for label in self.labels)) if self.labels else ()


class DeclaredCounter(Declared[Counter]):
    kind = "counter"

    def on(self, registry: CollectorRegistry) -> Counter:
        counter = Counter(self.name, self.meaning, self.label_names, registry=registry)
        for values in self.label_sets():
            counter.labels(*values)
        return counter


class DeclaredGauge(Declared[Gauge]):
    kind = "gauge"

    def on(self, registry: CollectorRegistry) -> Gauge:
        gauge = Gauge(self.name, self.meaning, self.label_names, registry=registry)
        for values in self.label_sets():
            gauge.labels(*values)
        return gauge


@dataclass(frozen=True, eq=False)
class DeclaredHistogram(Declared[Histogram]):
    buckets: tuple[float, ...] = ()
    has_exemplars: bool = False
    kind = "histogram"

    def on(self, registry: CollectorRegistry) -> Histogram:
        histogram = Histogram(
            self.name, self.meaning, self.label_names, buckets=self.buckets, registry=registry
        )
        for values in self.label_sets():
            histogram.labels(*values)
        return histogram


class OptionalGauge(Collector):
    """A gauge whose series are there only while they have a value: 0 would be a lie, for a time above all."""

    def __init__(self, name: str, meaning: str, label_names: list[str]) -> None:
        self._name = name
        self._meaning = meaning
        self._label_names = label_names
        self._values: dict[tuple[str, ...], float] = {}

    def set(self, value: float | None, *labels: str) -> None:
        """``None`` takes the series away."""
        if value is None:
            self._values.pop(labels, None)
        else:
            self._values[labels] = value

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [GaugeMetricFamily(self._name, self._meaning, labels=self._label_names)]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        values = self._values.copy()
        family = GaugeMetricFamily(self._name, self._meaning, labels=self._label_names)
        for labels, value in values.items():
            family.add_metric(labels, value)
        return [family] if values else []


@dataclass(frozen=True, eq=False)
class DeclaredOptionalGauge(Declared[OptionalGauge]):
    """``absent``: when it is."""

    absent: str = ""
    kind = "gauge"

    def on(self, registry: CollectorRegistry) -> OptionalGauge:
        gauge = OptionalGauge(self.name, self.meaning, self.label_names)
        registry.register(gauge)
        return gauge


def declared_in(group: type[MetricGroup]) -> dict[str, Declared[Any]]:
    """By attribute, in the order in which they are declared."""
    return {
        attribute: declared
        for cls in reversed(group.__mro__)
        for attribute, declared in vars(cls).items()
        if isinstance(declared, Declared)
    }
