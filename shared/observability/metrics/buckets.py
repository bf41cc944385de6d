"""Upper bounds of histogram buckets, by what is measured. Those of the conventions, where they fit."""

from __future__ import annotations

STAGE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
FRESHNESS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
DATABASE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
MESSAGING = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
GEN_AI = tuple(0.01 * 2**power for power in range(14))
FIRST_CHUNK = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30)
NEXT_CHUNK = (0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
MODEL_LOAD = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
TOKENS = tuple(4**power for power in range(9))
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
DOCUMENTS = (0, 1, 2, 3, 5, 10, 20, 50)
AGE = (10, 60, 300, 900, 3_600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000)
SHARE = tuple(tenth / 10 for tenth in range(11))
SIMILARITY = tuple(step / 20 for step in range(1, 21))
