"""A small wiki: pages, revisions, and what the MediaWiki operations do to them. Pure state, no clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum

REVISIONS_KEPT = 50
"""Older texts of a page are forgotten, so that an endless stream needs bounded memory."""


class ChangeKind(StrEnum):
    CREATE = "create"
    EDIT = "edit"
    MOVE = "move"
    DELETE = "delete"
    UNDELETE = "undelete"
    VISIBILITY = "visibility_change"


@dataclass(frozen=True, slots=True)
class Editor:
    name: str
    user_id: int
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Visibility:
    content: bool = True
    editor: bool = True
    comment: bool = True


VISIBLE = Visibility()


@dataclass(frozen=True, slots=True)
class Revision:
    rev_id: int
    parent_id: int | None
    saved_ms: int
    text: str
    comment: str
    editor: Editor
    minor: bool = False
    visibility: Visibility = VISIBLE

    @property
    def size(self) -> int:
        return len(self.text.encode())


@dataclass(slots=True)
class Page:
    page_id: int
    title: str
    namespace: int
    revisions: list[Revision] = field(default_factory=list)
    revision_count: int = 0
    redirect_to: str | None = None
    deleted: bool = False
    touched_ms: int = 0

    @property
    def current(self) -> Revision:
        return self.revisions[-1]

    @property
    def visible_text(self) -> str:
        """What a reader gets: nothing of a hidden revision, and nothing of a redirect."""
        return self.current.text if self.current.visibility.content and self.redirect_to is None else ""

    def add(self, revision: Revision) -> None:
        self.revisions.append(revision)
        self.revision_count += 1
        if len(self.revisions) > REVISIONS_KEPT:
            del self.revisions[0]


@dataclass(frozen=True, slots=True)
class Change:
    """One operation that happened at ``ms``; ``page`` is a snapshot from right after it.

    ``prior`` is the revision before it, ``prior_title`` the title before a move, ``redirect`` the page
    that a move left behind, ``redirect_target`` the page that a redirect leads to, if it exists.
    """

    kind: ChangeKind
    ms: int
    page: Page
    revision: Revision
    performer: Editor
    comment: str
    prior: Revision | None = None
    prior_title: str | None = None
    redirect: Page | None = None
    redirect_target: Page | None = None


def page_id_of(title: str) -> int:
    """Stable over runs and seeds, so that document ids are."""
    return 10_000_000 + int.from_bytes(hashlib.sha256(title.encode()).digest()[:5]) % 900_000_000


class Pages:
    """What readers may ask for: pages that exist, as of the newest event that was sent."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}
        self._titles: dict[str, int] = {}
        self._revisions: dict[int, int] = {}

    def by_id(self, page_id: int) -> Page | None:
        page = self._pages.get(page_id)
        return None if page is None or page.deleted else page

    def by_title(self, title: str) -> Page | None:
        page_id = self._titles.get(title)
        return None if page_id is None else self.by_id(page_id)

    def by_revision(self, rev_id: int) -> Page | None:
        page_id = self._revisions.get(rev_id)
        return None if page_id is None else self.by_id(page_id)


class Wiki(Pages):
    """Pages by id and by title. ``next_revision`` grows from run to run."""

    def __init__(self, next_revision: int) -> None:
        super().__init__()
        self._next_revision = next_revision

    def __len__(self) -> int:
        return len(self._pages)

    def create(
        self,
        title: str,
        text: str,
        editor: Editor,
        comment: str,
        ms: int,
        *,
        namespace: int = 0,
        redirect_to: str | None = None,
    ) -> Change:
        identity = title if redirect_to is None else f"{title}#redirect"
        page = Page(page_id_of(identity), title, namespace, redirect_to=redirect_to)
        self._pages[page.page_id] = page
        self._titles[title] = page.page_id
        revision = self._save(page, text, editor, comment, ms, minor=False)
        target = self.by_title(redirect_to) if redirect_to else None
        return Change(
            ChangeKind.CREATE, page.touched_ms, _snapshot(page), revision, editor, comment,
            redirect_target=target and _snapshot(target),
        )  # fmt: skip

    def edit(
        self,
        title: str,
        text: str,
        editor: Editor,
        comment: str,
        ms: int,
        *,
        minor: bool = False,
        redirect_to: str | None = None,
    ) -> Change:
        page = self._existing(title)
        prior = page.current
        page.redirect_to = redirect_to
        revision = self._save(page, text, editor, comment, ms, minor=minor)
        target = self.by_title(redirect_to) if redirect_to else None
        return Change(
            ChangeKind.EDIT, page.touched_ms, _snapshot(page), revision, editor, comment, prior,
            redirect_target=target and _snapshot(target),
        )  # fmt: skip

    def move(
        self, title: str, new_title: str, text: str, editor: Editor, comment: str, ms: int
    ) -> tuple[Change, Change]:
        """The move, and the creation of the redirect that it leaves at the old title."""
        page = self._existing(title)
        prior = page.current
        page.title = new_title
        self._titles[new_title] = page.page_id
        note = f"{editor.name} moved page [[{title}]] to [[{new_title}]]: {comment}"
        revision = self._save(page, text, editor, note, ms, minor=True)
        redirected = self.create(
            title, f"#REDIRECT [[{new_title}]]", editor, note, page.touched_ms, redirect_to=new_title
        )
        moved = Change(
            ChangeKind.MOVE, page.touched_ms, _snapshot(page), revision, editor, comment, prior,
            prior_title=title, redirect=redirected.page,
        )  # fmt: skip
        return moved, redirected

    def delete(self, title: str, performer: Editor, comment: str, ms: int) -> Change:
        page = self._existing(title)
        page.deleted = True
        return self._log_change(ChangeKind.DELETE, page, performer, comment, ms)

    def undelete(self, title: str, performer: Editor, comment: str, ms: int) -> Change:
        page = self._pages[self._titles[title]]
        page.deleted = False
        return self._log_change(ChangeKind.UNDELETE, page, performer, comment, ms)

    def set_visibility(
        self, title: str, visibility: Visibility, performer: Editor, comment: str, ms: int
    ) -> Change:
        page = self._existing(title)
        prior = page.current
        page.revisions[-1] = replace(prior, visibility=visibility)
        return self._log_change(ChangeKind.VISIBILITY, page, performer, comment, ms, prior)

    def _log_change(
        self,
        kind: ChangeKind,
        page: Page,
        performer: Editor,
        comment: str,
        ms: int,
        prior: Revision | None = None,
    ) -> Change:
        """A change without a new revision: the id stays, only the time is later."""
        page.touched_ms = max(ms, page.touched_ms + 1)
        return Change(kind, page.touched_ms, _snapshot(page), page.current, performer, comment, prior)

    def _existing(self, title: str) -> Page:
        page = self.by_title(title)
        if page is None:
            raise KeyError(f"no page {title!r}")
        return page

    def _save(self, page: Page, text: str, editor: Editor, comment: str, ms: int, *, minor: bool) -> Revision:
        """A page's own times are strictly increasing: they order what shares a revision id."""
        page.touched_ms = max(ms, page.touched_ms + 1)
        parent = page.revisions[-1].rev_id if page.revisions else None
        revision = Revision(self._next_revision, parent, page.touched_ms, text, comment, editor, minor)
        self._next_revision += 1
        if len(page.revisions) == REVISIONS_KEPT:
            self._revisions.pop(page.revisions[0].rev_id)
        self._revisions[revision.rev_id] = page.page_id
        page.add(revision)
        return revision


def _snapshot(page: Page) -> Page:
    return replace(page, revisions=[])
