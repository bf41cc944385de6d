"""What the search benchmarks measured: kept as JSON from run to run, shown as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.statistics import percentile


class Results:
    """One entry for each store and number of chunks."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}

    def has(self, store: str, size: int) -> bool:
        return _key(store, size) in self._entries

    def put(self, store: str, size: int, figures: dict[str, Any]) -> None:
        """Also writes the file, so that a run that ends early has not measured in vain."""
        self._entries[_key(store, size)] = {"store": store, "size": size, **figures}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._entries, indent=1) + "\n", "utf-8")

    def of(self, store: str) -> list[dict[str, Any]]:
        """Smallest first."""
        entries = [entry for entry in self._entries.values() if entry["store"] == store]
        return sorted(entries, key=lambda entry: int(entry["size"]))

    def everything(self) -> list[dict[str, Any]]:
        return [entry for store in ("faiss", "redis") for entry in self.of(store)]


def search_tables(results: Results) -> str:
    """Markdown of what ``bench.search`` measured."""
    lines = [
        "| Store | chunks | search | p50 ms | p95 ms | p99 ms | recall@10 |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in results.everything():
        for case, row in _rows(entry):
            times = " | ".join(f"{row[name]:.2f}" for name in ("p50", "p95", "p99"))
            recall = f"{row['recall']:.4f}" if "recall" in row else ""
            lines.append(f"| {entry['store']} | {entry['size']:,} | {case} | {times} | {recall} |")
    lines += [
        "",
        "| Store | chunks | documents/s | start-up s | reader's MiB | Redis's MiB | search/bare |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in results.everything():
        redis = entry["redis_megabytes"]
        lines.append(
            f"| {entry['store']} | {entry['size']:,} | {entry['documents_per_second']:,.0f} "
            f"| {entry['startup_seconds']:.2f} | {entry['reader_megabytes']:.0f} "
            f"| {'' if redis is None else format(redis, '.0f')} "
            f"| {entry['cases']['all']['ratio_to_bare']:.2f} |"
        )
    return "\n".join(lines)


def visibility_table(results: Results) -> str:
    """Markdown of what ``bench.visibility`` measured."""
    lines = ["| Store | chunks | p50 ms | p95 ms | p99 ms | max ms | n |", "|---|---|---|---|---|---|---|"]
    for entry in results.everything():
        times = " | ".join(f"{entry[name]:.1f}" for name in ("p50", "p95", "p99", "max"))
        lines.append(f"| {entry['store']} | {entry['size']:,} | {times} | {entry['n']} |")
    return "\n".join(lines)


def with_block(text: str, name: str, content: str) -> str:
    """The text with ``content`` between its comments ``name`` and ``/name``.

    :raises ValueError: it has none.
    """
    begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    before, opening, rest = text.partition(begin)
    _, closing, after = rest.partition(end)
    if not opening or not closing:
        raise ValueError(f"no {begin.strip()} … {end.strip()}")
    return f"{before}{begin}{content}{end}{after}"


def _key(store: str, size: int) -> str:
    return f"{store} {size}"


def _rows(entry: dict[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    yield from entry["cases"].items()
    for name, figures in entry.items():
        if isinstance(figures, dict) and name != "cases":
            yield name, figures


def case_row(seconds: Sequence[float], recalls: Sequence[float]) -> dict[str, float]:
    return {**latencies(seconds), "recall": round(sum(recalls) / len(recalls), 5)}


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """In milliseconds."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * percentile(seconds, share), 3) for name, share in shares.items()} | {
        "n": len(seconds)
    }
