r"""What every room does with text that others chose: package names, paths, versions. Pure.

visible("a\u202eb")    a<U+202E>b       what would turn, hide or break a line is shown instead
safe_cell("=cmd()")    '=cmd()          and what a spreadsheet would run it shows
"""

import unicodedata

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# Control, format (bidi overrides among them), surrogate, private, unassigned, line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, *, keep: str = "") -> str:
    """Text with every character that is no plain visible one shown as `<U+202E>`, but for those in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter in keep or not _is_unsafe(letter) else f"<U+{ord(letter):04X}>" for letter in text)


def safe_cell(text: str) -> str:
    """Visible text for a cell of a CSV: what a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{visible(text)}" if text.startswith(_FORMULA_STARTS) else visible(text)


def _is_unsafe(letter: str) -> bool:
    return unicodedata.category(letter) in _UNSAFE
