"""The human text of `rpm-ostree status`, 2016 to 2026, to deployments. Pure; no stable contract, so it forgives much.

::

    State: idle
    Deployments:
      ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:5786…
                      Version: 418.94.202410211616-0 (2024-10-21T16:20:41Z)
              LayeredPackages: cowsay

    * ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:5786…
                      Version: 418.94.202410211616-0 (2024-10-21T16:20:41Z)
                LocalPackages: zsh-5.8-9.el9.x86_64

The mark (a bullet, `*` where the locale has none, or what is left of a bullet) is on the booted one. Plain text cannot
show inactive requests; what is in effect is complete. A block that was cut says so in `Deployment.cut`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from layercensus.host.documents.package_lists import PARSERS, is_hidden, says_all, split_words, strip_tree
from layercensus.host.documents.text_lines import HostText, Line, is_list_head
from layercensus.host.os_identity import is_image_layered
from layercensus.host.reading import Reading
from layercensus.model import Change, Deployment, Unlocked

_KEY = re.compile(r"^\s*([A-Z][A-Za-z]+):(?:\s+(.*))?$")
# Every deployment has one of the two; their value, and that of the next, is never longer than a line.
_IDENTITY_KEYS = frozenset({"Version", "Timestamp"})
_ONE_LINE_KEYS = _IDENTITY_KEYS | frozenset("Digest CustomOrigin Staged StateRoot OSName Pinned Unlocked".split())
_OTHER_KEYS = frozenset(
    "Commit BaseCommit BootedCommit BootedBaseCommit LiveCommit InterruptedLiveCommit LiveDiff GPGSignature Diff "
    "Upgraded Downgraded Added Removed SecAdvisories Initramfs InitramfsEtc Cliwrap EndOfLife "
    "OstreeRemoteStatus".split()
)
_DEPLOYMENT_KEYS = _ONE_LINE_KEYS | _OTHER_KEYS | frozenset(PARSERS)
# What a layered commit holds.
_LAYERS = frozenset(PARSERS) | {"Initramfs", "InitramfsEtc", "Cliwrap"}
# A line of these words that we do not know may list changes.
_OF_CHANGES = re.compile(r"Package|Override|Request|Module|Replace|Remov|Layer")
_VERBOSE_KEYS = frozenset(key for key in _DEPLOYMENT_KEYS if key.startswith("Inactive")) | {"Staged", "StateRoot"}
# A mark: a bullet or star, or up to four signs that are neither ASCII nor a drawn tree (a bullet in a wrong encoding).
_MARKED = re.compile(r"^\s*(?:[*●•]|[^\x00-\x7f\u2500-\u257f]\S{0,3}|\ufffd{1,3}|\?{1,3})\s+(\S+)(.*)$")
_UNMARKED = re.compile(r"^\s*(\S+)(.*)$")
_NAMES = re.compile(r"^[ ]*(?:'?[A-Za-z0-9_][\w.+:~^()/-]*'?(?: +|$))+$")
_ERROR_HEADER = "(error fetching image metadata)"
_SUFFIX = re.compile(r"^\s*(?:\((?:index: \d+|booted|rollback|pending|staged|pinned)\)\s*)*$")
# The end of a line that cannot have been longer.
_WHOLE_LINE_END = re.compile(r"(?:\)|\b[0-9a-f]{64}|: (?:yes|no|regenerate|none|development|hotfix|transient))$")
_IMAGE = re.compile(r"^ostree-(?:unverified|image|remote)")


@dataclass
class _Block:
    """One deployment's lines: header and `key -> value lines`, in order."""

    header: str
    marked: bool
    suffix: str
    first: bool
    indent: int
    values: dict[str, list[str]] = field(default_factory=dict)
    key: str | None = None
    value_column: int = 0
    elided: bool = False
    unread: bool = False
    open_end: bool = False

    def text(self, *keys: str) -> str | None:
        """First word of the first of these keys that is there and not blotted out."""
        for key in keys:
            for word in " ".join(self.values.get(key, [])).split()[:1]:
                return None if is_hidden(word) else word
        return None


def parse_status_text(host: HostText) -> Reading:
    """Deployments of one host's text; empty where the text shows none."""
    blocks = list(_blocks(host.lines))
    if blocks and host.ends_open:
        _close_open_end(blocks, host)
    problems: list[str] = []
    deployments = tuple(_deployment(block, problems) for block in blocks)
    problems += _contradictions(blocks)
    if not any(block.marked for block in blocks) and sum("(booted)" in block.suffix for block in blocks) == 1:
        index = next(index for index, block in enumerate(blocks) if "(booted)" in block.suffix)
        blocks[index].marked = True
        deployments = tuple(_deployment(block, []) for block in blocks)
    return Reading(deployments, tuple(problems), from_start=bool(blocks) and blocks[0].first)


def _blocks(lines: list[Line]) -> Iterator[_Block]:
    block: _Block | None = None
    after_head = False
    before_keys = _before_keys(lines)
    for index, line in enumerate(lines):
        if line.noise or line.blank or is_list_head(line):
            if block:
                yield block
            block = None
            after_head = (after_head and line.blank) or is_list_head(line)
            continue
        header = _header(line, block) if before_keys[index] else None
        if header:
            if block:
                yield block
            block = _Block(*header, first=after_head, indent=line.indent)
            after_head = False
        elif block is None or not _take(block, line, amid_keys=before_keys[index]):
            if block:
                block.unread = block.unread or line.indent > block.indent + 1 or _may_go_on(block, line)
                yield block
            block = _fragment(line)
    if block:
        yield block


def _header(line: Line, block: _Block | None) -> tuple[str, bool, str] | None:
    """Header text, whether it is marked, and what stands behind it; None if the line is no header."""
    if _known_key(line):
        return None
    if _ERROR_HEADER in line.text:
        return _ERROR_HEADER, not line.text.lstrip().startswith("("), ""
    match = _MARKED.match(line.text)
    if match and _SUFFIX.match(match[2]):
        return match[1], True, match[2]
    match = _UNMARKED.match(line.text)
    if match is None or not _SUFFIX.match(match[2]) or is_hidden(match[1]):
        return None
    if block is not None and line.indent >= block.value_column > 0:
        return None
    return match[1], False, match[2]


def _before_keys(lines: list[Line]) -> list[bool]:
    """Of each line, whether a deployment's keys follow it at once: only such a line is a header."""
    answers: list[bool] = []
    follows = False
    for line in reversed(lines):
        answers.append(follows)
        if not line.noise and is_hidden(line.text.strip()):
            continue
        follows = not line.noise and _known_key(line) is not None
    return answers[::-1]


def _known_key(line: Line) -> str | None:
    match = _KEY.match(line.text)
    return match[1] if match and match[1] in _DEPLOYMENT_KEYS else None


def _take(block: _Block, line: Line, *, amid_keys: bool = False) -> bool:
    """Add a key line, a continuation or an elision to the block; False if the line is none of them.

    `amid_keys`: a key follows, so that the line goes on with a list even where its blanks were lost.
    """
    match = _KEY.match(line.text)
    if match and (match[1] in _DEPLOYMENT_KEYS or line.indent > 2):
        block.unread = block.unread or (match[1] not in _DEPLOYMENT_KEYS and bool(_OF_CHANGES.search(match[1])))
        block.key = match[1]
        block.values.setdefault(match[1], []).append(match[2] or "")
        block.value_column = match.start(2) if match[2] else match.end(1)
        return True
    if is_hidden(line.text.strip()):
        block.elided = True
        return True
    goes_on = line.indent >= block.value_column - 1 or (amid_keys and block.key in PARSERS)
    if block.key and block.key not in _ONE_LINE_KEYS and goes_on:
        block.values[block.key].append(strip_tree(line.text))
        return True
    return False


def _may_go_on(block: _Block, line: Line) -> bool:
    """Whether a line behind a list may be more of it, that a mail program wrapped or whose blanks were lost."""
    return block.key in PARSERS and bool(_NAMES.match(line.text))


def _fragment(line: Line) -> _Block | None:
    """A block whose header was cut off: a text may begin in the middle of a deployment."""
    if _known_key(line) not in PARSERS:
        return None
    block = _Block(header="", marked=False, suffix="", first=False, indent=0)
    _take(block, line)
    return block


def _close_open_end(blocks: list[_Block], host: HostText) -> None:
    """Where the text ends without a line end, its last word may be half a word, its last line half the blanks of one.

    The word is dropped, unless it stands elsewhere in the text or the line could not have been longer. A layered
    commit whose layers do not follow goes on.
    """
    lines = host.lines[:-1] if host.open_blanks else host.lines
    last_line = lines[-1].text if lines else ""
    block = blocks[-1]
    if not block.key or not last_line or not last_line.endswith(block.values[block.key][-1][-20:]):
        return
    if _WHOLE_LINE_END.search(last_line) or host.open_blanks:
        layers_follow = "BaseCommit" in block.values and not block.values.keys() & _LAYERS
        block.open_end = layers_follow or host.open_blanks > block.indent + 1
        return
    block.open_end = True
    values = block.values[block.key]
    head, _, last_word = values[-1].rpartition(" ")
    elsewhere = [word for line in lines[:-1] for word in line.text.split()]
    if block.key in PARSERS and last_word not in elsewhere:
        values[-1] = head


def _deployment(block: _Block, problems: list[str]) -> Deployment:
    changes, whole = _changes(block)
    cut = not whole or block.elided or block.unread or block.open_end or not (block.values.keys() & _IDENTITY_KEYS)
    if cut and (block.marked or block.first):
        problems.append(f"{_name(block)} is shown in part: {_why_cut(block, whole=whole)}")
    header = block.header.removeprefix("ostree://")
    description = " ".join(block.values.get("CustomOrigin", []))
    verbose = bool(block.values.keys() & _VERBOSE_KEYS)
    initramfs = bool(block.values.keys() & {"Initramfs", "InitramfsEtc"})
    asked = bool(changes) or not whole or initramfs or "Cliwrap" in block.values
    return Deployment(
        booted=block.marked,
        staged=block.text("Staged") == "yes",
        pinned=block.text("Pinned") == "yes",
        cut=cut,
        checksum=block.text("Commit", "BootedCommit"),
        base_checksum=block.text("BaseCommit", "BootedBaseCommit"),
        image=header if _IMAGE.match(header) else None,
        origin=header if header and not _IMAGE.match(header) and header != _ERROR_HEADER else None,
        custom_origin=(header, description) if description else None,
        osname=block.text("StateRoot", "OSName"),
        version=block.text("Version"),
        changes=changes,
        unlocked=_unlocked(block),
        live_applied=bool(block.values.keys() & {"LiveCommit", "InterruptedLiveCommit"}) or (None if cut else False),
        initramfs=initramfs or (None if cut else False),
        image_layered=is_image_layered(header),
        bootc_incompatible=asked or (False if verbose and not cut else None),
    )


def _changes(block: _Block) -> tuple[tuple[Change, ...], bool]:
    changes: list[Change] = []
    whole = True
    for key, parse in PARSERS.items():
        if key in block.values:
            values = split_words(" ".join(block.values[key]))
            said = list(parse(key, values.words))
            whole = whole and values.whole and says_all(key, values.words, said)
            changes += said
    return tuple(dict.fromkeys(changes)), whole


def _unlocked(block: _Block) -> Unlocked | None:
    """`Unlocked:` is printed only where something is."""
    value = block.text("Unlocked")
    if value is None:
        return None if block.open_end else Unlocked.NONE
    return Unlocked(value) if value in set(Unlocked) else None


def _name(block: _Block) -> str:
    return "the booted deployment" if block.marked else "the next deployment"


def _why_cut(block: _Block, *, whole: bool) -> str:
    if not whole:
        return "values were taken out or cut off"
    if block.open_end:
        return "the text ends without a line end, so its last line may be cut"
    if block.elided:
        return "lines were left out"
    if block.unread:
        return "a line in it is none that we know"
    return "neither its version nor its time is there"


def _contradictions(blocks: list[_Block]) -> list[str]:
    marked = any(block.marked for block in blocks)
    if marked and any("(booted)" in block.suffix and not block.marked for block in blocks):
        return ["the mark is on one deployment and the word (booted) on another: the mark was followed"]
    return []
