"""From a prompt to the tokens that a model of the hub expects: by its chat template, or as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from jinja2 import TemplateError
from tokenizers import Tokenizer

from shared.domain import Prompt
from shared.errors import ModelMissing

# Turns are marked by special tokens, or by plain text in the template: <|user|>, [INST], <<SYS>>.
_MARKS = re.compile(r"<+[^<>\s{}]+>+|\[/?[A-Z_]{3,}\]")
# Templates that build their marks from parts begin and end them so.
_PARTS_OF_MARKS = ("<|",)


class PromptEncoder:
    """Safe to call from several threads: the tokenizer is a copy whose settings never change."""

    def __init__(self, model: str, tokenizer: Any, *, use_chat_template: bool) -> None:
        """``tokenizer``: a fast one of transformers; ``model``: what LLM_MODEL says.

        :raises ModelMissing: the model's chat template shows no message of a user.
        """
        self._source = tokenizer
        self.tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        added = tokenizer.added_tokens_decoder
        self._special = frozenset(token_id for token_id, token in added.items() if token.special) - {
            tokenizer.unk_token_id
        }
        self._has_template = use_chat_template and tokenizer.chat_template is not None
        template = str(tokenizer.chat_template) if self._has_template else ""
        marks = [*(token.content for token in added.values()), *_MARKS.findall(template), *_PARTS_OF_MARKS]
        self._marks = _any_of(marks)
        self._has_system_role = self._has_template and self._find_system_role(model)
        self.own_tokens = len(self.encode(Prompt("", "", "", (), 0)))

    def encode(self, prompt: Prompt) -> list[int]:
        system, user = self.harmless(prompt.system), self.harmless(prompt.user)
        if self._has_template:
            # The template itself writes the special tokens.
            rendered = self._render(system, user, self._has_system_role)
            return self._ids(rendered, add_special_tokens=False)
        return self._ids(_joined(system, user), add_special_tokens=True)

    def count(self, text: str) -> int:
        """Tokens of ``text`` as a part of a prompt."""
        return len(self._ids(self.harmless(text), add_special_tokens=False))

    def harmless(self, text: str) -> str:
        """Without anything that would end a turn, or begin another: models obey that in a document's
        text too."""
        text = self._broken(text)
        # A tokenizer may drop control characters or unify letters, and find a special token in the rest.
        while self._special.intersection(ids := self._ids(text, add_special_tokens=False)):
            text = self._broken(self.tokenizer.decode(ids, skip_special_tokens=True))
        return text

    def _broken(self, text: str) -> str:
        before = None
        while text != before:
            before, text = text, self._marks.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        return text

    def _ids(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def _render(self, system: str, user: str, has_system_role: bool) -> str:
        if has_system_role:
            messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        else:
            messages = [{"role": "user", "content": _joined(system, user)}]
        return str(
            self._source.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,  # the answer has no room for it; other templates ignore it
            )
        )

    def _find_system_role(self, model: str) -> bool:
        """Some templates refuse a system message, and some leave it out."""
        system, user = "be brief", "the question"
        for has_system_role in (True, False):
            try:
                rendered = self._render(system, user, has_system_role)
            except TemplateError:
                continue
            if system in rendered and user in rendered:
                return has_system_role
        raise ModelMissing(
            f"LLM_MODEL={model}: its chat template shows no message of a user; choose another model"
        )


def _joined(system: str, user: str) -> str:
    """One instruction: models without roles read them as a text."""
    return f"{system}\n\n{user}".strip()


def _any_of(marks: Iterable[str]) -> re.Pattern[str]:
    """Longest first, so that a mark is found before those that it contains."""
    stripped = {mark.strip() for mark in marks}
    longest_first = sorted((mark for mark in stripped if len(mark) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))
