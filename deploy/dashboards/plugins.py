"""The options of each panel plugin, all of them, as its published schema wants them."""

from __future__ import annotations

from typing import Any

from deploy.dashboards.model import Board, Kind, Limits, Panel

Json = dict[str, Any]

_LAST: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def options(panel: Panel) -> Json:
    """:return: ``options`` of the panel, for its kind."""
    return {
        Kind.TIMESERIES: _timeseries,
        Kind.STAT: _stat,
        Kind.HEATMAP: _heatmap,
        Kind.BARS: _bars,
    }[panel.kind](panel)


def field_config(panel: Panel) -> Json:
    """Unit, limits, colours and how lines are drawn."""
    defaults: Json = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": _steps(panel.limits)},
        "color": {"mode": "thresholds" if panel.kind in (Kind.STAT, Kind.BARS) else "palette-classic"},
        "mappings": _mappings(panel),
    }
    if panel.top is not None:
        defaults["max"] = panel.top
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.kind is Kind.TIMESERIES:
        defaults["custom"] = _lines(panel)
    elif panel.kind is Kind.HEATMAP:
        defaults["custom"] = {"scaleDistribution": {"type": "linear"}}
    return {"defaults": defaults, "overrides": []}


def text(board: Board) -> Json:
    return {
        "mode": "markdown",
        "content": (
            f"{board.purpose}\n\n"
            "The (i) of a panel says what it shows, what is normal and what to do otherwise. "
            "Dots on latency panels are traces: click one.\n\n"
            "**README:** `docs/dashboards.md` explains the boards, `docs/metrics.md` every metric. "
            "**Runbook:** `docs/runbook/`, one page for each alert."
        ),
    }


def alert_list() -> Json:
    """Rules of Prometheus; the plugin knows the data source by its name."""
    return {
        "viewMode": "list",
        "groupMode": "default",
        "groupBy": [],
        "maxItems": 20,
        "sortOrder": 3,
        "dashboardAlerts": False,
        "alertName": "",
        "alertInstanceLabelFilter": '{alertname!="Watchdog"}',
        "datasource": "Prometheus",
        "folder": None,
        "showInstances": False,
        "showInactiveAlerts": False,
        "stateFilter": {
            "firing": True,
            "pending": True,
            "recovering": True,
            "noData": True,
            "normal": False,
            "error": True,
        },
    }


def _steps(limits: Limits | None) -> list[Json]:
    """The first step has no value: it holds from below everything."""
    if limits is None:
        return [_step("green", None)]
    if limits.small_is_bad:
        return [_step("red", None), _step("yellow", limits.bad), _step("green", limits.warn)]
    return [_step("green", None), _step("yellow", limits.warn), _step("red", limits.bad)]


def _step(color: str, value: float | None) -> Json:
    return {"color": color, "value": value}


def _mappings(panel: Panel) -> list[Json]:
    if not panel.states:
        return []
    named = {f"{value:g}": {"text": name, "index": index} for index, (value, name) in enumerate(panel.states)}
    return [{"type": "value", "options": named}]


def _lines(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 0,
        "showPoints": "auto",
        "pointSize": 5,
        "spanNulls": False,
        "axisPlacement": "auto",
        "scaleDistribution": {"type": "linear"},
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
    }


def _timeseries(panel: Panel) -> Json:
    return {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _stat(panel: Panel) -> Json:
    return {
        "reduceOptions": _LAST,
        "colorMode": "value" if panel.states else "background",
        "graphMode": "none" if panel.states else "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "textMode": "value_and_name" if panel.states or len(panel.queries) > 1 else "auto",
        "wideLayout": True,
    }


def _heatmap(panel: Panel) -> Json:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Blues",
            "scale": "exponential",
            "exponent": 0.5,
            "fill": "dark-blue",
            "reverse": False,
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,120,0,0.8)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    }


def _bars(panel: Panel) -> Json:
    return {
        "reduceOptions": _LAST,
        "displayMode": "basic",
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
