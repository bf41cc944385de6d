"""What the processes use."""

from __future__ import annotations

from deploy.dashboards.model import Advice, Kind, Limits, Panel, Query, Row

_JOB = 'job=~"$job"'

PROCESSES = Row(
    "Processes",
    (
        Panel(
            Kind.STAT,
            "Reachable",
            "short",
            Advice(
                "Whether Prometheus reaches each process.",
                "all up.",
                "dead or blocked: ./logs.sh SERVICE; ServiceDown, TargetDown.",
            ),
            (Query(f"up{{{_JOB}}}", "{{job}} {{instance}}"),),
            Limits(warn=1, bad=0.5),
            states=((0, "down"), (1, "up")),
            width=12,
            height=5,
        ),
        Panel(
            Kind.STAT,
            "Running since",
            "s",
            Advice(
                "How long each process has been running.",
                "grows.",
                "back to 0 by itself: it died and was started again, CrashLooping if often; its log says "
                "why.",
            ),
            (Query(f"time() - process_start_time_seconds{{{_JOB}}}", "{{job}} {{instance}}"),),
            width=12,
            height=5,
        ),
        Panel(
            Kind.TIMESERIES,
            "CPU",
            "short",
            Advice(
                "Cores that each process uses.",
                "the api and the processor use what embedding needs, the producer little.",
                "the sum at the machine's cores: everything slows down together; see Stages on Ask path.",
            ),
            (Query(f"rate(process_cpu_seconds_total{{{_JOB}}}[$__rate_interval])", "{{job}} {{instance}}"),),
            stacked=True,
        ),
        Panel(
            Kind.TIMESERIES,
            "Memory",
            "bytes",
            Advice(
                "Resident memory of each process.",
                "level after the models are loaded: about 1 GB for the api with the bundled model.",
                "a steady climb over days is a leak: restart it, keep the graph.",
            ),
            (Query(f"process_resident_memory_bytes{{{_JOB}}}", "{{job}} {{instance}}"),),
            Limits(warn=3e9, bad=6e9),
        ),
        Panel(
            Kind.TIMESERIES,
            "Open files",
            "percentunit",
            Advice(
                "Open files and connections, of what the system allows.",
                "a few percent.",
                "a climb: connections are not closed; above 80 % raise the limit before new ones are "
                "refused.",
            ),
            (
                Query(
                    f"process_open_fds{{{_JOB}}} / process_max_fds{{{_JOB}}}",
                    "{{job}} {{instance}}",
                ),
            ),
            Limits(warn=0.5, bad=0.8),
            top=1,
        ),
    ),
)
