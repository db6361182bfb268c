"""Pasted terminal text to clean lines, parted by host: prompts, quoting, log prefixes and colours taken off. Pure.

What people paste::

    > Nov 29 22:19:06 host rpm-ostree[798]: State: idle          quoted, out of the journal
    <pre>State: idle                                            out of a page; `-&gt;` in it is `->`
    I0722 08:59:48.056755    3820 daemon.go:778] State: idle     first line of a status in a machine-config-daemon log
    2024-05-01T10:00:00.1Z I0501 10:00:00.1 1 daemon.go:1] …     the same with `oc logs --timestamps`
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# What a page, a forum or a ticket puts around a text that is pasted, and the callouts of AsciiDoc.
_BEFORE = re.compile(
    r"^\s{0,8}(?:<(?:pre|code|samp|p)\b[^<>]{0,200}>|\[code\]|\{(?:code|noformat)[^{}]{0,80}\})+", re.IGNORECASE
)
_BEHIND = re.compile(r"(?:</?(?:pre|code|samp|p|br)\s?/?>|\[/code\]|\{(?:code|noformat)\}|```)$", re.IGNORECASE)
_CALLOUT = re.compile(r"\s<\d{1,2}>$")
_MOST_BEHIND = 8
_LONGEST_BEHIND = 16
_ENTITY = re.compile(r"&(?:gt|lt|amp|quot|apos|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_QUOTE = re.compile(r"^(?:\s{0,3}>\s?)+(?=\S|\s)")
_LOG_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ")
_KLOG = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [\w.-]+:\d+\] ?")
_JOURNAL_TIME = r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+\-Z\d:.]*)"
_JOURNAL = re.compile(rf"^{_JOURNAL_TIME} (\S+) ([\w@.-]+)\[\d+\]: ?")
_HEAD = re.compile(r"^\s*State:\s+(idle|busy)\b")
_LIST = re.compile(r"^\s*(Deployments|BootedDeployment):\s*$")
# Words that a status alone dies with, or the way to the host: they stand for a host of its own beside another's status.
_FAILURE = re.compile(
    r"^ERROR: Status: |^Job for rpm-ostreed\.service failed|^Error from server|^Unable to connect to the server|"
    r"^(?:-?(?:/\S{1,40}/)?(?:ba|z)?sh|chroot|sudo): (?=.*\brpm-ostree\b).*(?:not found|No such file)|"
    r"^\s*error: (?:.*(?:not booted via libostree|found container=|RegisterClient|GDBus|D-?Bus|org\.projectatomic|"
    r"Rejected send message|Not authorized|not authorized)|(?:Timeout was reached|Loading sysroot|loading sysroot|"
    r"Error setting up sysroot|Failed to (?:activate|find)|Found both|[Cc]ould ?n.t connect|Couldn.t start daemon|"
    r"unable to|You must be logged in|timed out|the server|no configuration|dial tcp|Get )\b)"
)
# `[core@node ~]$ sudo rpm-ostree install x`: a command of ours, behind a prompt or alone on its line.
_PROMPT = r"(?:.{0,80}[#$%>❯➜] {0,8}| {0,8})(?:sudo )?"
_COMMAND = re.compile(rf"^{_PROMPT}(?:rpm-ostree|bootc|atomic host) (?:-\S+ ){{0,8}}(?P<verb>[a-z][a-z-]*)(?: |$)")
# `oc debug node/x -- chroot /host rpm-ostree status`: this host's or another's.
_ASKED = re.compile(r"\b(?:rpm-ostree|bootc|atomic host) (?:-\S+ ){0,8}status\b")
_ASKED_HERE = re.compile(
    r"^ {0,8}\[?[\w.-]{1,64}@(?P<host>[\w.-]{1,255})[^#$%❯➜]{0,80}[#$%❯➜] {0,8}"
    r"(?:sudo )?(?:rpm-ostree|atomic host) status\b"
)
_NAMES_OF_MANY = frozenset({"localhost", "localhost.localdomain", "fedora"})
# Where no status is seen at all, any error tells why.
_ANY_ERROR = re.compile(r"^\s*error: ")


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
    """The lines that belong to one host. `ends_open`: the text ends in them without a line end.

    `open_blanks`: how many blanks, and nothing else, stand in that line.
    `asked_on`: host that the prompt names behind which its status was asked for. `other_error`: an error in these lines
    that is no status's.
    """

    lines: list[Line] = field(default_factory=list)
    has_head: bool = False
    has_list: bool = False
    has_failure: bool = False
    ends_open: bool = False
    open_blanks: int = 0
    asked_on: str | None = None
    asks_else: bool = False
    other_error: str | None = None

    @property
    def host(self) -> str | None:
        """Host name in the journal prefix or in the prompt, if there is one."""
        return next((line.host for line in self.lines if line.host), self.asked_on)

    def take(self, line: Line, asked_on: str | None) -> None:
        """Add a line, and put down what it says of the others."""
        self.lines.append(line)
        if line.noise:
            return
        head, listed, failed = (bool(sign.match(line.text)) for sign in (_HEAD, _LIST, _FAILURE))
        if (head or listed or failed) and not (self.has_head or self.has_list or self.has_failure):
            self.asked_on = asked_on
        self.has_head, self.has_list = self.has_head or head, self.has_list or listed
        self.has_failure = self.has_failure or (failed and not self.asks_else)
        if verb := _verb(line.text):
            self.asks_else = verb != "status"
        elif _ANY_ERROR.match(line.text) and not self.asks_else and not (failed or self._goes_on_warning()):
            self.other_error = self.other_error or line.text.strip()

    def _goes_on_warning(self) -> bool:
        return len(self.lines) > 1 and self.lines[-2].text.lstrip().startswith("Warning: ")


def split_hosts(text: str) -> list[HostText]:
    """Part a text by host: a new `State:` line, list of deployments or failure after one that was seen begins the next.

    The journal of one host may show several boots, and one shell several statuses: of one host name only the newest,
    the last, is kept.
    """
    parts = [HostText()]
    asked_on: str | None = None
    for line in clean_lines(text):
        if _verb(line.text):
            asked_on = _asked_on(line.text)
        if _begins_next(parts[-1], line):
            parts.append(HostText())
        parts[-1].take(line, asked_on)
        if _HEAD.match(line.text) or _LIST.match(line.text):
            asked_on = None
    parts[-1].ends_open = not text.endswith("\n")
    last_line = text.rpartition("\n")[2]
    parts[-1].open_blanks = 0 if last_line.strip() else len(last_line.expandtabs())
    newest = {part.host: index for index, part in enumerate(parts)}
    return [part for index, part in enumerate(parts) if part.host is None or newest[part.host] == index]


def _begins_next(current: HostText, line: Line) -> bool:
    if line.noise:
        return False
    if _HEAD.match(line.text):
        return current.has_head or current.has_list or current.has_failure
    if _LIST.match(line.text):
        return current.has_list or current.has_failure
    return bool(_FAILURE.match(line.text)) and not current.asks_else and (current.has_list or current.has_failure)


def _verb(text: str) -> str | None:
    """What a command line asks of rpm-ostree or bootc: `status`, `install`, …; None where a line is no such command."""
    if _ASKED.search(text):
        return "status"
    match = _COMMAND.match(text)
    return match["verb"] if match else None


def _asked_on(text: str) -> str | None:
    """Host of a prompt behind which this host's own status is asked for, not another's through ssh or oc.

    The names that machines have before somebody names them tell nothing.
    """
    match = _ASKED_HERE.match(text)
    return match["host"] if match and match["host"] not in _NAMES_OF_MANY else None


def clean_lines(text: str) -> Iterator[Line]:
    """Lines without what the way here added to them."""
    in_journal = bool(_JOURNAL.search(text) or any(_JOURNAL.match(line) for line in text.splitlines()[:200]))
    for raw in text.splitlines():
        line = _without_markup(_ANSI.sub("", raw)).replace("\u00a0", " ").replace("\t", "        ").rstrip()
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


def _without_markup(line: str) -> str:
    """Undo HTML's entities, and take off what was put before and behind a text, a few times at most.

    A callout that stands alone behind a key may be a value that was taken out, so it stays.
    """
    line = _ENTITY.sub(lambda match: unescape(match[0]), line) if "&" in line else line
    line = _BEFORE.sub("", line).rstrip()
    for _ in range(_MOST_BEHIND):
        end = line[-_LONGEST_BEHIND:]
        match = _BEHIND.search(end) or _CALLOUT.search(end)
        rest = line[: len(line) - len(end) + match.start()].rstrip() if match else line
        if match is None or (match.re is _CALLOUT and rest[-1:] in {"", ":"}):
            break
        line = rest
    return line


def is_list_head(line: Line) -> bool:
    """Whether the line is `Deployments:` or `BootedDeployment:`."""
    return not line.noise and bool(_LIST.match(line.text))


def first_failure(lines: Iterable[Line]) -> str | None:
    """The first line with which rpm-ostree or systemd says that no status could be had, and what follows it."""
    lines = list(lines)
    for sign in (_FAILURE, _ANY_ERROR):
        for index, line in enumerate(lines):
            if not line.noise and sign.match(line.text):
                return " ".join(part.text.strip() for part in lines[index : index + 2] if part.text.strip())
    return None
