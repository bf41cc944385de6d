"""The namespace of a title, where an event names only the title. Pure."""

from __future__ import annotations

_SUBJECTS = {
    0: "", 2: "User", 4: "Project", 6: "File", 8: "MediaWiki", 10: "Template", 12: "Help", 14: "Category",
    100: "Portal", 118: "Draft", 710: "TimedText", 828: "Module",
}  # fmt: skip

_NUMBERS = {
    name.casefold(): number
    for subject, word in _SUBJECTS.items()
    for number, name in ((subject, word), (subject + 1, f"{word} talk".strip()))
    if name
} | {"wikipedia": 4, "wikipedia talk": 5}


def namespace_of_target(target: str, old_title: str, old_namespace: int) -> int:
    """The namespace of ``target``, the title that a page was renamed to.

    Known are the prefix that the old title had, and the English ones, which every wiki accepts. Any
    other prefix is taken for a part of the title.
    """
    prefix, colon, _ = target.partition(":")
    if not colon:
        return 0
    old_prefix, old_colon, _ = old_title.partition(":")
    if old_colon and old_namespace != 0 and prefix == old_prefix:
        return old_namespace
    return _NUMBERS.get(prefix.replace("_", " ").casefold(), 0)
