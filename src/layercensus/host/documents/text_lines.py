"""Pasted terminal text to clean lines, parted by host: prompts, quoting, log prefixes and colours taken off. Pure.

What people paste::

    > Nov 29 22:19:06 host rpm-ostree[798]: State: idle          quoted, out of the journal
    I0722 08:59:48.056755    3820 daemon.go:778] State: idle     first line of a status in a machine-config-daemon log
    2024-05-01T10:00:00.1Z I0501 10:00:00.1 1 daemon.go:1] …     the same with `oc logs --timestamps`
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_QUOTE = re.compile(r"^(?:\s{0,3}>\s?)+(?=\S|\s)")
_LOG_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ")
_KLOG = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [\w.-]+:\d+\] ?")
_JOURNAL_TIME = r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+\-Z\d:.]*)"
_JOURNAL = re.compile(rf"^{_JOURNAL_TIME} (\S+) ([\w@.-]+)\[\d+\]: ?")
_HEAD = re.compile(r"^\s*State:\s+(idle|busy)\b")
_LIST = re.compile(r"^\s*(Deployments|BootedDeployment):\s*$")
_FAILURE = re.compile(
    r"^\s*error: |^ERROR: Status: |^Job for rpm-ostreed\.service failed|"
    r"^Error from server|^Unable to connect to the server|"
    r"^(?:bash|sh|chroot|-bash): .*(?:not found|No such file)"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A clean line. `noise`: it is of the surroundings (another log line), whatever it looks like."""

    text: str
    noise: bool = False
    host: str | None = None

    @property
    def indent(self) -> int:
        """Blanks before the first sign."""
        return len(self.text) - len(self.text.lstrip())

    @property
    def blank(self) -> bool:
        """Whether nothing but blanks stands in it."""
        return not self.text.strip()


@dataclass
class HostText:
    """The lines that belong to one host. `ends_open`: the text ends in them without a line end."""

    lines: list[Line] = field(default_factory=list)
    has_head: bool = False
    has_list: bool = False
    has_failure: bool = False
    ends_open: bool = False

    @property
    def host(self) -> str | None:
        """Host name in the journal prefix, if there is one."""
        return next((line.host for line in self.lines if line.host), None)


def split_hosts(text: str) -> list[HostText]:
    """Part a text by host: a new `State:` line, list of deployments or failure after one that was seen begins the next.

    The journal of one host may show several boots: of one host name only the newest, the last, is kept.
    """
    parts = [HostText()]
    for line in clean_lines(text):
        if _begins_next(parts[-1], line):
            parts.append(HostText())
        current = parts[-1]
        current.lines.append(line)
        if not line.noise:
            current.has_head = current.has_head or bool(_HEAD.match(line.text))
            current.has_list = current.has_list or bool(_LIST.match(line.text))
            current.has_failure = current.has_failure or bool(_FAILURE.match(line.text))
    parts[-1].ends_open = not text.endswith("\n")
    newest = {part.host: index for index, part in enumerate(parts)}
    return [part for index, part in enumerate(parts) if part.host is None or newest[part.host] == index]


def _begins_next(current: HostText, line: Line) -> bool:
    if line.noise:
        return False
    if _HEAD.match(line.text):
        return current.has_head or current.has_list or current.has_failure
    if _LIST.match(line.text):
        return current.has_list or current.has_failure
    return bool(_FAILURE.match(line.text)) and (current.has_list or current.has_failure)


def clean_lines(text: str) -> Iterator[Line]:
    """Lines without what the way here added to them."""
    in_journal = bool(_JOURNAL.search(text) or any(_JOURNAL.match(line) for line in text.splitlines()[:200]))
    for raw in text.splitlines():
        line = _ANSI.sub("", raw).replace("\u00a0", " ").replace("\t", "        ").rstrip()
        line = _LOG_TIME.sub("", _QUOTE.sub("", line))
        journal = _JOURNAL.match(line)
        if journal:
            yield Line(line[journal.end() :], noise=not journal[2].startswith("rpm-ostree"), host=journal[1])
            continue
        klog = _KLOG.match(line)
        if klog:
            rest = line[klog.end() :]
            yield Line(rest, noise=not (_HEAD.match(rest) or _FAILURE.match(rest)))
            continue
        yield Line(line, noise=in_journal and line.startswith("-- "))


def is_list_head(line: Line) -> bool:
    """Whether the line is `Deployments:` or `BootedDeployment:`."""
    return not line.noise and bool(_LIST.match(line.text))


def first_failure(lines: Iterable[Line]) -> str | None:
    """The first line with which rpm-ostree or systemd says that no status could be had, and what follows it."""
    lines = list(lines)
    for index, line in enumerate(lines):
        if not line.noise and _FAILURE.match(line.text):
            return " ".join(part.text.strip() for part in lines[index : index + 2] if part.text.strip())
    return None
