"""From the vector sets' candidates to hits: exact scores, exact ties, and never a mix of two revisions.

``VSIM`` works in a thread of the server while functions change the set, and nothing it returns can be
trusted to be one moment. So a search notes the shard's sequence number first. Afterwards one function
returns, as of one moment, every document that changed since, in full, and the candidates of all others.
Unchanged documents are judged by the candidates, changed ones by all of their chunks: together that is the
shard as of that moment.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shared.domain import Hit, Match, SearchFilter
from shared.vector_store import laws
from shared.vector_store.redis_store.codec import Detail, Excerpt, decode_embeddings, decode_excerpts
from shared.vector_store.redis_store.failures import GenerationGone
from shared.vector_store.redis_store.filters import element_test, expression
from shared.vector_store.redis_store.keys import Command
from shared.vector_store.redis_store.library import ask
from shared.vector_store.redis_store.plan import Plan, Way, choose, count_commands, gather_bounds
from shared.vector_store.redis_store.servers import Servers

if TYPE_CHECKING:
    from shared.ports import Embedding

_CHANGED_AT_ONCE = 1_000
_NOISE = 2e-6  # what float32 sums and the rounding of scores can differ by
_DOUBT = 2.0  # how much further off than the candidates' quantised scores others' may be
_PATIENCE = 4  # how many times more candidates a walk of the graph is asked for because of doubt


class _Candidate(NamedTuple):
    """Sorts best first."""

    negative_score: float
    chunk_id: str
    excerpt: Excerpt
    chunk: int
    """Position in the excerpt."""

    def hit(self) -> Hit:
        document = self.excerpt.document
        return Hit(
            chunk_id=self.chunk_id,
            document_id=document.document_id,
            source=document.source,
            title=document.title,
            url=document.url,
            text=self.excerpt.texts[self.chunk],
            revision=document.revision,
            updated_at=document.updated_at,
            score=-self.negative_score,
            attributes=document.attributes,
            ingest_trace_id=document.ingest_trace_id,
        )

    def match(self) -> Match:
        excerpt = self.excerpt
        return Match(excerpt.document_id, int(excerpt.ordinals[self.chunk]), -self.negative_score)


@dataclass(slots=True)
class _Shard:
    """The search of one shard, until it is done."""

    tag: str
    plan: Plan
    count: int
    candidates: list[_Candidate] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    """Documents that changed after ``seq``."""
    done: bool = False
    changed_limit: int = _CHANGED_AT_ONCE
    seq: int = 0
    found: dict[str, float] = field(default_factory=dict)
    """Chunk id to cosine, as far as it is known before the documents are."""
    sighted: bool = False
    """Whether ``found`` is worth being judged; else another way has to be tried."""
    exhausted: bool = False
    """Whether ``found`` is all there was to find."""


class Search:
    """One question to all shards."""

    def __init__(
        self,
        servers: Servers,
        tags: Sequence[str],
        query: Embedding,
        top_k: int,
        where: SearchFilter | None,
        ef: int,
    ) -> None:
        self._servers = servers
        self._tags = tags
        self._query = query
        self._top_k = top_k
        self._where = None if where == SearchFilter() else where
        self._expression = expression(self._where)
        self._ef = ef
        self._share = math.ceil(top_k / len(tags))
        self._first_count = 2 * self._share + 8

    def hits(self) -> list[Hit]:
        return [candidate.hit() for candidate in self._best(Detail.TEXTS)]

    def matches(self) -> list[Match]:
        detail = Detail.CONTENT if self._where else Detail.ORDINALS
        return [candidate.match() for candidate in self._best(detail)]

    def _best(self, detail: Detail) -> list[_Candidate]:
        """From documents of that ``detail``; a filter needs their content."""
        sizes = self._servers.run({tag: count_commands(tag, self._where) for tag in self._tags})
        shards = [_Shard(tag, choose(self._where, sizes[tag]), self._first_count) for tag in self._tags]
        while pending := [shard for shard in shards if not shard.done]:
            self._find(pending)
            self._fetch([shard for shard in pending if shard.sighted], detail)
            best = sorted(chain.from_iterable(shard.candidates for shard in shards))[: self._top_k]
            for shard in shards:
                self._judge(shard, best)
        return best

    def _find(self, shards: Sequence[_Shard]) -> None:
        """The candidates of each shard, and the sequence number that they are newer than."""
        replies = self._servers.run({shard.tag: self._look(shard) for shard in shards})
        for shard in shards:
            if shard.plan.way is Way.GATHER:
                self._take_gathered(shard, *replies[shard.tag][0])
            else:
                self._take_similar(shard, *replies[shard.tag])

    def _look(self, shard: _Shard) -> list[Command]:
        if shard.plan.way is Way.GATHER and self._where:
            return [ask("gather", shard.tag, *gather_bounds(self._where))]
        command: list[str | bytes | int] = ["VSIM", f"{shard.tag}:v", "FP32", self._query.tobytes()]
        command += ["WITHSCORES", "COUNT", shard.count]
        if shard.plan.way is Way.SCAN:
            command.append("TRUTH")
        else:
            command += ["EF", self._ef]
        if self._expression:
            command += ["FILTER", self._expression]
            if shard.plan.way is Way.GRAPH:
                command += ["FILTER-EF", shard.plan.effort]
        return [("HMGET", f"{shard.tag}:state", "seq"), tuple(command)]

    def _take_similar(self, shard: _Shard, state: Sequence[Any], found: Sequence[bytes]) -> None:
        if state[0] is None:
            raise GenerationGone("the shard has no state")
        shard.seq = int(state[0])
        shard.found = {
            element.decode(): 2 * float(score) - 1
            for element, score in zip(found[::2], found[1::2], strict=True)
        }
        shard.exhausted = len(shard.found) < shard.count
        if shard.exhausted and shard.plan.way is Way.GRAPH:
            shard.plan = Plan(Way.SCAN)  # the walk lost its way, or its effort was too small for the filter
            shard.sighted = False
        else:
            shard.sighted = True

    def _take_gathered(self, shard: _Shard, too_many: int, *gathered: Any) -> None:
        if too_many:
            shard.plan = Plan(Way.SCAN)
            shard.sighted = False
            return
        shard.seq, documents, blob = gathered
        chunk_ids, passing = self._passing(json.loads(documents))
        scores = laws.cosine(decode_embeddings([blob], len(self._query)), self._query)
        places = np.flatnonzero(passing)
        best = places[np.argsort(-scores[places], kind="stable")[: shard.count]].tolist()
        shard.found = {chunk_ids[place]: float(scores[place]) for place in best}
        shard.exhausted = len(places) <= shard.count
        shard.sighted = True

    def _passing(self, documents: Sequence[tuple[str, str, str]]) -> tuple[list[str], list[bool]]:
        """Each gathered chunk's id, and whether it satisfies the filter."""
        test = element_test(self._where or SearchFilter())
        chunk_ids: list[str] = []
        passing: list[bool] = []
        for document_id, attributes, ordinals in documents:
            names = [f"{document_id}#{ordinal}" for ordinal in ordinals.split(",")]
            chunk_ids += names
            passing += [test(json.loads(attributes))] * len(names)
        return chunk_ids, passing

    def _fetch(self, shards: Sequence[_Shard], detail: Detail) -> None:
        replies = self._servers.run({shard.tag: [self._candidates(shard, detail)] for shard in shards})
        for shard in shards:
            self._take_fetched(shard, *replies[shard.tag][0])

    def _candidates(self, shard: _Shard, detail: Detail) -> Command:
        wanted: dict[str, list[str]] = {}
        for chunk_id in shard.found:
            document_id, _, ordinal = chunk_id.rpartition("#")
            wanted.setdefault(document_id, []).append(ordinal)
        pairs = chain.from_iterable((document_id, ",".join(each)) for document_id, each in wanted.items())
        return ask("fetch", shard.tag, shard.seq, shard.changed_limit, detail.value, *pairs)

    def _take_fetched(self, shard: _Shard, overflow: int, *fetched: Any) -> None:
        if overflow:  # so much was written meanwhile that it was not even fetched: look again
            shard.changed_limit *= 2
            shard.sighted = False
            shard.candidates = []
            return
        changed, documents, blob = fetched
        shard.changed = {document_id.decode() for document_id in changed}
        shard.candidates = self._ranked(decode_excerpts(documents), blob)

    def _judge(self, shard: _Shard, best: Sequence[_Candidate]) -> None:
        """``best``: of all shards, as far as they have been searched. One that was done may have to go on:
        what was better elsewhere can be gone when that shard is searched again."""
        if shard.sighted:
            shard.done = shard.exhausted or self._is_complete(shard, best)
            if not shard.done:
                shard.count *= 4

    def _is_complete(self, shard: _Shard, best: Sequence[_Candidate]) -> bool:
        """Whether no chunk that ``VSIM`` left out can be among the best, as far as its scores tell."""
        unchanged = [each for each in shard.candidates if each.excerpt.document_id not in shard.changed]
        if len(best) < self._top_k or len(unchanged) < self._share:
            return False
        if shard.plan.way is Way.GRAPH and shard.count >= _PATIENCE * self._first_count:
            return True
        error = max(abs(shard.found[each.chunk_id] + each.negative_score) for each in unchanged)
        return min(shard.found.values()) + _DOUBT * error + _NOISE < -best[-1].negative_score

    def _ranked(self, excerpts: Sequence[Excerpt], embeddings: bytes) -> list[_Candidate]:
        if not excerpts:
            return []
        scores = iter(laws.cosine(decode_embeddings([embeddings], len(self._query)), self._query).tolist())
        candidates = [
            _Candidate(-next(scores), f"{excerpt.document_id}#{ordinal}", excerpt, position)
            for excerpt in excerpts
            for position, ordinal in enumerate(excerpt.ordinals)
        ]
        where = self._where
        if where:
            candidates = [each for each in candidates if where.matches(each.excerpt.document)]
        return sorted(candidates)
