r"""What every room does with text that others chose: package names, paths, versions. Pure.

visible("a\u202eb")    a<U+202E>b       what would turn, hide or break a line is shown instead
"""

import unicodedata

# Control, format (bidi overrides among them), surrogate, private, unassigned, line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, *, keep: str = "") -> str:
    """Text with every character that is no plain visible one shown as `<U+202E>`, but for those in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter in keep or not _is_unsafe(letter) else f"<U+{ord(letter):04X}>" for letter in text)


def _is_unsafe(letter: str) -> bool:
    return unicodedata.category(letter) in _UNSAFE
