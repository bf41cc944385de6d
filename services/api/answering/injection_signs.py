"""Marks of a dialogue, and signs that a text gives orders, alone or beside a sentence that speaks to a model.

Matched against folded text, but where case matters: see ``untrusted``. All of them together must leave real
articles alone (``python -m bench.injections`` counts).
"""

from __future__ import annotations

import re

from services.api.answering.injection_rule import CLAUSE, rules_of

TEMPLATE_TOKEN = re.compile(r"<\||\|>|<｜|｜>")
"""Of ChatML, Llama 3, Phi, DeepSeek."""

TURNS = rules_of(
    # Mistral, Llama 2, Gemma, SentencePiece; XML; Alpaca, Vicuna.
    ("inst]|system_prompt]|_tools]|_calls]", r"\[/?(?:inst|system_prompt|available_tools|tool_calls)\]"),
    ("sys>", r"<</?sys>>"),
    ("_of_turn>", r"<(?:start|end)_of_turn>"),
    ("s>", r"</?s>|<(?:bos|eos|pad|unk)>"),
    (
        "<",
        r"</?(?:system|assistant|user|human|developer|instructions?|prompt|passages?|context|documents?|think"
        r"|tool_call|tool_response|function_calls?)\b[^>]{0,60}>",
    ),
    ("##", r"#{2,}\s*(?:instructions?|system|response|assistant|user|human|input)\b"),
    (
        "system|developer|assistant",
        r"\b(?:begin|start|end)(?:ning)?[ _](?:of[ _])?(?:the[ _])?(?:system|developer|assistant)[ _]"
        r"(?:prompt|message|turn|instructions?)\b",
    ),
    (
        "system:|assistant:|developer:|human:|user:|system :|assistant :|user :",
        r"(?:^|[.!?:]\s)\W{0,3}(?:system|assistant|developer|human|user)\s?:\s",
    ),
)
"""Another speaker begins: nothing after it in the text is the source's own."""

SHORTEST_ENCODED = 28
ENCODED = re.compile(
    r"(?<![\w+/-])(?=[A-Za-z0-9+/]*[0-9])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])"
    rf"[A-Za-z0-9+]{{{SHORTEST_ENCODED},}}(?:/[A-Za-z0-9+]{{8,}})*={{0,2}}(?![\w+/-])"
)
"""A long run of base64; case matters, so not on folded text."""

_ORDER = (
    "print|output|reply|respond|answer|repeat|reveal|ignore|disregard|forget|pretend|obey|translate"
    "|summarise|summarize|recite|echo"
)
_MILD_ORDER = "say|tell|write|state|mention|include|append|paraphrase|use|call|remember|override"
_NO_OBJECT = (
    r"(?!\s*(?:[,;:)/.!?|*=$-]|$)|\s+(?:of|from|to|be|was|is|are|were|by|and|or|in|on|at|as|than|\d)\b)"
)

ORDERS = rules_of((_ORDER, rf"{CLAUSE}(?:do not |don't |never |always )?(?:{_ORDER})\b{_NO_OBJECT}"))
"""A bare verb of speech where a clause begins: a text about its subject gives its reader no orders. Names
of songs and programmes do, so titles may."""

MILD_ORDERS = rules_of(
    (f"{_ORDER}|{_MILD_ORDER}", rf"{CLAUSE}(?:do not |don't |never |always )?(?:{_ORDER}|{_MILD_ORDER})\b")
)
"""Verbs that stand there for other reasons too: an order only together with a ``CODE_WORD``."""

WEAK_SIGNS = re.compile(
    r"\b(?:you|your|yours|yourself|answers?|response|respond|reply|replies|output|prompt|instructions?"
    r"|question"
    r"|the user|users|assistant|obey|comply|instead|must|always|never|password|secret|magic word"
    r"|code ?word)\b"
    r"|^\W*(?:say|write|call|use|do|don't|only|just|print|repeat|include|append|begin|start|end|stop"
    r"|tell|state"
    r"|mention|refer|claim|pretend|remember|note|make|give|return|send|visit|respond|speak|translate"
    r"|please)\b"
)
"""Ordinary words, which mean something only beside a sentence that speaks to the model."""

CODE_WORD = re.compile(r"\b(?=\w*[A-Z])\w*[A-Z]{2}[\w-]*\d|\b[A-Z]{5,}\b|\b[A-Z]+(?:[_-][A-Z0-9]+)+\b")
"""What such a sentence wants to see repeated."""

IN_CODE_WORDS = re.compile(r"[A-Z][A-Z_-]")
"""What every one of them has, found several times as fast."""
