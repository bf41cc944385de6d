"""From evidence to an answer in the model's words, or in the evidence's own."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from services.api.answering.events import Abandoned, IsAbandoned
from services.api.answering.evidence import Evidence
from services.api.answering.generation import statements
from services.api.answering.grounding import GroundedAnswer, ground, quote
from services.api.answering.prompt import NOT_ASKED, PassageUse, build_prompt, select_passages
from services.api.answering.spans import (
    NO_TEXT,
    ChatSpan,
    SpanContent,
    describe_grounding,
    describe_prompt,
)
from services.api.answering.stages import Stages
from shared.clock import SystemClock
from shared.domain import Answer, Outcome, TokenUsage
from shared.errors import LLMUnavailable
from shared.observability.metrics import ApiMetrics
from shared.ports import LLM, Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """The answer so far, and what it has cost. The tokens are the model's; ``passages``: what it read."""

    answer: Answer
    input_tokens: int = 0
    output_tokens: int = 0
    passages: PassageUse = NOT_ASKED


class Writer:
    """Safe to call from several threads."""

    def __init__(
        self,
        llm: LLM,
        metrics: ApiMetrics,
        max_sentences: int,
        clock: Clock | None = None,
        span_content: SpanContent = NO_TEXT,
    ) -> None:
        """``max_sentences``: the most that the model may say. ``clock``: how old passages are, by it."""
        self._clock = clock or SystemClock()
        self._llm = llm
        self._metrics = metrics
        self._max_sentences = max_sentences
        self._span_content = span_content

    @property
    def name(self) -> str:
        return self._llm.name

    def write(
        self, question: str, evidence: Sequence[Evidence], stages: Stages, is_abandoned: IsAbandoned
    ) -> Generator[Draft, None, None]:
        """A draft whenever another sentence is grounded; the last one is the answer, and all are fit to be
        shown. ``evidence`` strongest first, not empty.

        Where nothing that the model says is supported, the answer is a quote. ``DEGRADED``: the model went
        away, and the answer is a quote, or what was grounded before.

        :raises Abandoned: ``is_abandoned`` said so; it is asked before the model is, and whenever that has
            said something.
        """
        draft, grounded = None, None
        outcome = Outcome.ANSWERED
        try:
            with closing(self._drafts(question, evidence, stages, is_abandoned)) as drafts:
                for draft, grounded in drafts:
                    # A later sentence may be supported: what stands in for the model's words can wait.
                    if not grounded.quoted:
                        yield draft
        except LLMUnavailable as error:
            log.warning("answering without the language model", extra={"reason": str(error)})
            outcome = Outcome.DEGRADED
        finally:
            if draft is not None and grounded is not None:
                self._count(draft, grounded)
        if draft is None or grounded is None:
            yield Draft(quoted(evidence, outcome))
        elif grounded.quoted or outcome is Outcome.DEGRADED:
            answer = Answer(grounded.text, outcome, grounded.citations)
            yield replace(draft, answer=answer)

    def _drafts(
        self, question: str, evidence: Sequence[Evidence], stages: Stages, is_abandoned: IsAbandoned
    ) -> Generator[tuple[Draft, GroundedAnswer], None, None]:
        with stages.timed("prompt"):
            selected = select_passages(evidence)
            prompt = build_prompt(
                question,
                selected,
                self._llm.context_tokens,
                self._llm.count_tokens,
                self._clock.now(),
                self._max_sentences,
            )
            passages = PassageUse.of(evidence, selected, prompt)
            input_tokens = self._llm.count_tokens(prompt.system + prompt.user)
            describe_prompt(input_tokens, passages.dropped)
        self._metrics.context_tokens.observe(input_tokens)
        with (
            ChatSpan(self._llm.name, prompt, stages.context, self._span_content) as chat,
            closing(self._llm.stream(prompt)) as deltas,
        ):
            reading = _Reading(is_abandoned, chat)
            spoken = statements(reading.of(deltas), self._max_sentences)
            for said in stages.each("generate", spoken):
                with stages.timed("ground"):
                    grounded = ground(said, question, evidence)
                    describe_grounding(grounded.supported, grounded.replaced)
                log.debug("grounded", extra={"generated": said, "replaced": grounded.replaced})
                answer = Answer(grounded.text, Outcome.ANSWERED, grounded.citations)
                usage = reading.usage or TokenUsage(input_tokens, self._llm.count_tokens(said))
                chat.said(said, usage)
                yield Draft(answer, usage.input_tokens, usage.output_tokens, passages), grounded

    def _count(self, draft: Draft, grounded: GroundedAnswer) -> None:
        """What the model has written, as far as it was read."""
        self._metrics.llm.used(TokenUsage(draft.input_tokens, draft.output_tokens))
        self._metrics.sentences_replaced.inc(grounded.replaced)
        written = grounded.supported + grounded.replaced
        if written:
            self._metrics.groundedness.observe(grounded.supported / written)
        unknown = sum(not 1 <= marker <= draft.passages.used for marker in grounded.markers)
        self._metrics.citations_invalid.labels("unknown_passage").inc(unknown)


def quoted(evidence: Sequence[Evidence], outcome: Outcome) -> Answer:
    """The strongest evidence, verbatim."""
    grounded = quote(evidence)
    return Answer(grounded.text, outcome, grounded.citations)


class _Reading:
    """Of a model's stream, up to its end or until nobody waits for it any more. ``usage``: what the model
    says at the end, if it does and if it was read that far."""

    def __init__(self, is_abandoned: IsAbandoned, chat: ChatSpan) -> None:
        self._is_abandoned = is_abandoned
        self._chat = chat
        self.usage: TokenUsage | None = None

    def of(self, deltas: Generator[str, None, TokenUsage | None]) -> Iterator[str]:
        is_first = True
        while not self._is_abandoned():
            try:
                delta = next(deltas)
            except StopIteration as end:
                self.usage = end.value
                self._chat.ended_by_model()
                return
            if is_first:
                is_first = False
                self._chat.first_chunk()
            yield delta
        raise Abandoned
