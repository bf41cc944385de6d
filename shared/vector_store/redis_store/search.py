"""From the vector sets' candidates to hits: exact scores, exact ties, and never a mix of two revisions.

``VSIM`` works in a thread of the server while functions change the set, and nothing it returns can be
trusted to be one moment. So a search notes the shard's sequence number first. Afterwards one function
returns, as of one moment, every document that changed since, in full, and the candidates of all others.
Unchanged documents are judged by the candidates, changed ones by all of their chunks: together that is the
shard as of that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.domain import Hit, SearchFilter
from shared.vector_store import laws
from shared.vector_store.redis_store.codec import Excerpt, decode_embeddings, decode_excerpt
from shared.vector_store.redis_store.failures import GenerationGone
from shared.vector_store.redis_store.filters import expression
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
            text=self.excerpt.texts[self.chunk].decode(),
            revision=document.revision,
            updated_at=document.updated_at,
            score=-self.negative_score,
            attributes=document.attributes,
        )


@dataclass(slots=True)
class _Shard:
    """The search of one shard, until it is done."""

    tag: str
    plan: Plan
    count: int
    candidates: list[_Candidate] = field(default_factory=list)
    done: bool = False
    changed_limit: int = _CHANGED_AT_ONCE
    seq: bytes = b"0"
    found: dict[str, float] = field(default_factory=dict)
    """Chunk id to its quantised cosine, as ``VSIM`` gave them."""


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
        self._where = where
        self._expression = expression(where)
        self._ef = ef

    def hits(self) -> list[Hit]:
        sizes = self._servers.run({tag: count_commands(tag, self._where) for tag in self._tags})
        first_count = 2 * self._top_k + 8
        shards = [_Shard(tag, choose(self._where, sizes[tag]), first_count) for tag in self._tags]
        while pending := [shard for shard in shards if not shard.done]:
            self._gather([shard for shard in pending if shard.plan.way is Way.GATHER])
            self._look([shard for shard in pending if shard.plan.way is not Way.GATHER])
        best = sorted(chain.from_iterable(shard.candidates for shard in shards))[: self._top_k]
        return [candidate.hit() for candidate in best]

    def _gather(self, shards: Sequence[_Shard]) -> None:
        if not shards or self._where is None:
            return
        bounds = gather_bounds(self._where)
        replies = self._servers.run({shard.tag: [ask("gather", shard.tag, *bounds)] for shard in shards})
        for shard in shards:
            too_many, excerpts = replies[shard.tag][0]
            if too_many:
                shard.plan = Plan(Way.SCAN)
                continue
            shard.candidates = self._ranked(decode_excerpt(excerpt) for excerpt in excerpts)
            shard.done = True

    def _look(self, shards: Sequence[_Shard]) -> None:
        replies = self._servers.run({shard.tag: self._similar(shard) for shard in shards})
        for shard in shards:
            (seq,), found = replies[shard.tag]
            if seq is None:
                raise GenerationGone("the shard has no state")
            shard.seq = seq
            shard.found = {
                element.decode(): 2 * float(score) - 1
                for element, score in zip(found[::2], found[1::2], strict=True)
            }
        replies = self._servers.run({shard.tag: [self._fetch(shard)] for shard in shards})
        for shard in shards:
            self._judge(shard, *replies[shard.tag][0])

    def _similar(self, shard: _Shard) -> list[Command]:
        command: list[str | bytes | int] = ["VSIM", f"{shard.tag}:v", "FP32", self._query.tobytes()]
        command += ["WITHSCORES", "COUNT", shard.count]
        if shard.plan.way is Way.SCAN:
            command.append("TRUTH")
        elif self._expression:
            command += ["EF", 2 * shard.count, "FILTER-EF", shard.plan.effort]
        else:
            command += ["EF", self._ef]
        if self._expression:
            command += ["FILTER", self._expression]
        return [("HMGET", f"{shard.tag}:state", "seq"), tuple(command)]

    def _fetch(self, shard: _Shard) -> Command:
        wanted: dict[str, list[str]] = {}
        for chunk_id in shard.found:
            document_id, _, ordinal = chunk_id.rpartition("#")
            wanted.setdefault(document_id, []).append(ordinal)
        pairs = chain.from_iterable((document_id, ",".join(each)) for document_id, each in wanted.items())
        return ask("fetch", shard.tag, shard.seq, shard.changed_limit, *pairs)

    def _judge(self, shard: _Shard, overflow: int, changed: Sequence[bytes], replies: Sequence[Any]) -> None:
        if overflow:  # so much was written meanwhile that it was not even fetched: look again
            shard.changed_limit *= 2
            return
        changed_ids = {document_id.decode() for document_id in changed}
        shard.candidates = self._ranked(decode_excerpt(reply) for reply in replies)
        unchanged = [
            candidate
            for candidate in shard.candidates
            if candidate.excerpt.document.document_id not in changed_ids
        ]
        exhausted = len(shard.found) < shard.count
        if shard.plan.way is Way.GRAPH and exhausted:
            shard.plan = Plan(Way.SCAN)  # the walk lost its way, or its effort was too small for the filter
        elif exhausted or self._is_complete(shard, unchanged):
            shard.done = True
        else:
            shard.count *= 4

    def _is_complete(self, shard: _Shard, unchanged: Sequence[_Candidate]) -> bool:
        """Whether no chunk that ``VSIM`` left out can be among the best, as far as its scores tell."""
        if len(unchanged) < self._top_k:
            return False
        if shard.plan.way is Way.GRAPH and shard.count >= _PATIENCE * (2 * self._top_k + 8):
            return True
        worst_hit = -shard.candidates[self._top_k - 1].negative_score
        error = max(
            abs(shard.found[candidate.chunk_id] + candidate.negative_score) for candidate in unchanged
        )
        return min(shard.found.values()) + _DOUBT * error + _NOISE < worst_hit

    def _ranked(self, excerpts: Iterable[Excerpt]) -> list[_Candidate]:
        matching = [
            excerpt for excerpt in excerpts if self._where is None or self._where.matches(excerpt.document)
        ]
        blobs = [embedding for excerpt in matching for embedding in excerpt.embeddings]
        if not blobs:
            return []
        scores = iter(laws.cosine(decode_embeddings(blobs, len(self._query)), self._query).tolist())
        return sorted(
            _Candidate(-next(scores), f"{excerpt.document.document_id}#{ordinal}", excerpt, position)
            for excerpt in matching
            for position, ordinal in enumerate(excerpt.ordinals)
        )
