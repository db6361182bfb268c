"""GLib's key file format, as GKeyFile reads it: groups, keys, escapes, lists. Pure; knows nothing of origins.

Close to INI and not the same: no continuation lines, no `key: value`, case matters, a group may come twice, and a
backslash escapes (GLib `glib/gkeyfile.c`; the format is that of the desktop entry specification). Sample::

    # a comment
    [packages]
    requested=htop;gcc-c++;
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from layercensus.errors import HostDocumentError

# g_ascii_isspace: no vertical tab.
_BLANKS = " \t\n\f\r"
_GROUP = re.compile(r"^\[([^\]]*)\][ \t]*$")
_GROUP_NAME = re.compile(r"^[^\[\]\x00-\x1f\x7f]+$")
_KEY_NAME = re.compile(r"^(?! )[^=\[\]]+(?<! )(?:\[[\w.@-]*\])?$")
_ESCAPES: Mapping[str, str] = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
# The longest origin that people published has 1 KB; a node with a thousand local packages stays below 128 KB.
MAX_CHARACTERS = 4 * 1024 * 1024


class KeyFileError(HostDocumentError):
    """A text is no key file, or a value in it cannot be what it is asked to be."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Groups in order, each with its raw values; of a key given twice the last value stands."""

    groups: Mapping[str, Mapping[str, str]]

    def string(self, group: str, key: str) -> str | None:
        """A value with its escapes undone; None if it is not there. Raises `KeyFileError` on an unknown escape."""
        raw = self._raw(group, key)
        return None if raw is None else "".join(_unescape(raw, f"[{group}] {key}", listed=False))

    def strings(self, group: str, key: str) -> list[str]:
        """The items of a list, parted by `;`, the last `;` optional; empty if it is not there."""
        raw = self._raw(group, key)
        return [] if raw is None else _unescape(raw, f"[{group}] {key}", listed=True)

    def flag(self, group: str, key: str) -> bool | None:
        """A truth value: `true`, `1`, `false` or `0`; None if it is not there, `KeyFileError` for anything else."""
        raw = self._raw(group, key)
        if raw is None:
            return None
        word = raw.rstrip(_BLANKS)
        if word not in {"true", "1", "false", "0"}:
            raise KeyFileError("is neither true nor false", where=f"[{group}] {key}")
        return word in {"true", "1"}

    def _raw(self, group: str, key: str) -> str | None:
        return self.groups.get(group, {}).get(key)


def parse_key_file(text: str) -> KeyFile:
    """Read the groups of a key file. Raises `KeyFileError` for what `g_key_file_load_from_data` refuses.

    Stricter in one point: a NUL, with which GLib would end the line, is refused (a file half written by a crash).
    """
    if len(text) > MAX_CHARACTERS:
        raise KeyFileError(f"is longer than {MAX_CHARACTERS} characters, which no key file of ours is")
    if "\0" in text:
        raise KeyFileError("has a NUL byte in it: it was not written whole")
    groups: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    first: dict[str, str] | None = None
    # A carriage return belongs to the line end, and at the very end, where no line end follows, to the value.
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        line = raw.lstrip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        if match := _GROUP.match(line):
            if not _GROUP_NAME.match(match[1]):
                raise KeyFileError("is no group name", where=f"line {number}")
            current = groups.setdefault(match[1], {})
            first = current if first is None else first
        else:
            key, value = _pair(line, number, inside=current is not None)
            if current is not None:
                _check_encoding(key, value, in_first=current is first)
                current[key] = value
    return KeyFile(groups)


def _pair(line: str, number: int, *, inside: bool) -> tuple[str, str]:
    key, sign, value = line.partition("=")
    if not sign or not key:
        raise KeyFileError("is neither group, key nor comment", where=f"line {number}")
    if not inside:
        raise KeyFileError("is a key before any group", where=f"line {number}")
    key = key.rstrip(_BLANKS)
    if not _KEY_NAME.match(key):
        raise KeyFileError("has no valid key", where=f"line {number}")
    return key, value.lstrip(_BLANKS)


def _check_encoding(key: str, value: str, *, in_first: bool) -> None:
    if in_first and key == "Encoding" and value.lower() != "utf-8":
        raise KeyFileError(f"says that its encoding is {value!r}")


def _unescape(raw: str, where: str, *, listed: bool) -> list[str]:
    """Undo escapes; with `listed` part at each `;` that is not escaped, and drop an empty last item."""
    items: list[str] = []
    current: list[str] = []
    signs = iter(raw)
    for sign in signs:
        if sign == "\\":
            follower = next(signs, None)
            if listed and follower == ";":
                current.append(";")
            elif follower is not None and follower in _ESCAPES:
                current.append(_ESCAPES[follower])
            else:
                raise KeyFileError("has an escape that GLib does not know", where=where)
        elif listed and sign == ";":
            items.append("".join(current))
            current = []
        else:
            current.append(sign)
    if current or not listed:
        items.append("".join(current))
    return items
