"""``python -m shared.observability.metrics``: writes the page on metrics to stdout."""

from __future__ import annotations

import sys

from shared.observability.metrics.page import metrics_page

sys.stdout.write(metrics_page())
