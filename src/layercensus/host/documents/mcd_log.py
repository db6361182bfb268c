"""A machine-config-daemon's log to the machine it runs on: the status text at its newest start that shows one. Pure.

The daemon prints `rpm-ostree status` once when it starts, between klog lines; a log may hold several starts. Lines are
fed one at a time and nearly all are dropped, so a log of any length costs the memory of one status. Sample (4.16; older
daemons leave the quotes out, `oc logs --timestamps` and must-gathers put the RFC 3339 time in front)::

    2024-05-01T10:00:00.5Z I0501 10:00:00.5   3820 start.go:69] Version: v4.16.0-… (480ac…)
    2024-05-01T10:00:01.1Z I0501 10:00:01.1   3820 update.go:2595] "Starting to manage node: worker-1"
    2024-05-01T10:00:01.2Z I0501 10:00:01.2   3820 rpm-ostree.go:308] Running captured: rpm-ostree status
    2024-05-01T10:00:01.3Z I0501 10:00:01.3   3820 daemon.go:1565] State: idle
    2024-05-01T10:00:01.3Z Deployments:
    …
    2024-05-01T10:00:01.4Z I0501 10:00:01.4   3820 coreos.go:53] CoreOS aleph version: …
    2024-05-01T10:00:09.9Z I0501 10:00:09.9   3820 daemon.go:2880] Unsupported package htop

Source: openshift/machine-config-operator `pkg/daemon/daemon.go` (`Run`, `LogSystemData`, `getUnsupportedPackages`),
`update.go` (`logSystem`), `cmd/machine-config-daemon/start.go`; 4.1 to 5.2.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from layercensus.host.documents.status_text import parse_status_text
from layercensus.host.documents.text_lines import HostText, clean_lines
from layercensus.host.reading import machine_from, unreadable
from layercensus.model import Machine, Source

# A status of ten deployments with a hundred packages each has fewer lines, and shorter ones.
_MAX_STATUS_LINES = 2000
_MAX_STATUS_CHARACTERS = 256 * 1024
_MAX_NAMES = 200
_STARTING_TAKES = timedelta(minutes=1)

_TIME = re.compile(
    r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (?:std(?:out|err) [FP] )?"  # kubelet's own form
)
_KLOG = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] ?")
_MANAGES = re.compile(r"^\"?Starting to manage node: ([^\s\"]{1,253})\"?$")
_MANAGES_ANYWHERE = re.compile(r"\] \"?Starting to manage node: ([^\s\"]{1,253})")
_VERSION = re.compile(r"^Version: \S+ \([^)]*\)$")
_STATE = re.compile(r"^State: (?:idle|busy)\b")
_UNSUPPORTED = re.compile(r"^Unsupported package (\S{1,300})$")
_FAILED = re.compile(r"^unable to get rpm-ostree status: (.{1,300})")
# A line with none of these, outside a status, says nothing here: most lines end at this test.
_WORDS = (
    "State: ",
    "Starting to manage node: ",
    "Unsupported package ",
    "Version: ",
    "unable to get rpm-ostree status",
)
_IS_LOG = re.compile(
    r"^(?:\S+ )?(?:std(?:out|err) [FP] )?[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ "
    r"(?:start|update|daemon|rpm-ostree)\.go:\d+\] "
    r"(?:Version: \S+ \(|\"?Starting to manage node: |State: |Running captured: rpm-ostree status|\"?Starting Machine"
    r"ConfigDaemon)",
    re.MULTILINE,
)


@dataclass
class DaemonStart:
    """One start of the daemon: when (as its first line with a time says), on which node, and what it printed."""

    time: str | None = None
    node: str | None = None
    status: list[str] = field(default_factory=list)
    status_characters: int = 0
    status_whole: bool = False
    unsupported: list[str] = field(default_factory=list)
    failure: str | None = None


@dataclass
class LogScan:
    """The starts of one log as its lines go by. `newest_shown` is the newest finished start that showed a status.

    Who feeds the lines sets `ends_open` where the last one has no line end.
    """

    current: DaemonStart = field(default_factory=DaemonStart)
    newest_shown: DaemonStart | None = None
    in_status: bool = False
    last_line: str | None = None
    ends_open: bool = False
    node: str | None = None

    def feed(self, line: str) -> None:
        """Take the next line, without its line end."""
        if not self.in_status and not any(word in line for word in _WORDS):
            self.last_line = line[:40]
            return
        self.last_line = line[:40]
        stamp = _TIME.match(line)
        message = line[stamp.end() :] if stamp else line
        if header := _KLOG.match(message):
            self._end_status()
            self._take(message[header.end() :], stamp[1] if stamp else None)
        elif self.in_status:
            self._take_status_line(message)

    def _take(self, message: str, time: str | None) -> None:
        if _VERSION.match(message):
            self._begin(time)
        elif match := _MANAGES.match(message):
            if self.current.node or self.current.status:
                self._begin(time)
            self.current.node = self.node = match[1]
            self.current.time = self.current.time or time
        elif _STATE.match(message):
            if self.current.status:
                self._begin(time)
            self.current.time = self.current.time or time
            self.in_status = True
            self._take_status_line(message)
        elif match := _FAILED.match(message):
            self.current.failure = match[1]
        elif (match := _UNSUPPORTED.match(message)) and len(self.current.unsupported) < _MAX_NAMES:
            self.current.unsupported.append(match[1])

    def _begin(self, time: str | None) -> None:
        if self.current.status:
            self.newest_shown = self.current
        self.current = DaemonStart(time=time)

    def _take_status_line(self, text: str) -> None:
        start = self.current
        start.status_characters += len(text)
        if len(start.status) < _MAX_STATUS_LINES and start.status_characters <= _MAX_STATUS_CHARACTERS:
            start.status.append(text)

    def _end_status(self) -> None:
        """A log line behind a status shows that the status was over, unless lines had to be left out."""
        if self.in_status:
            self.in_status = False
            too_long = self.current.status_characters > _MAX_STATUS_CHARACTERS
            self.current.status_whole = not too_long and len(self.current.status) < _MAX_STATUS_LINES


def is_mcd_log(text: str) -> bool:
    """Whether a text has a line that only a machine-config-daemon writes when it starts."""
    return _IS_LOG.search(text) is not None


def split_logs(text: str) -> list[str]:
    """Part a text by node: where a daemon starts to manage another node, another daemon's log begins."""
    parts: list[list[str]] = [[]]
    node: str | None = None
    for line in text.splitlines(keepends=True):
        match = _MANAGES_ANYWHERE.search(line)
        if match and node not in {None, match[1]}:
            parts.append([])
        node = match[1] if match else node
        parts[-1].append(line)
    return ["".join(part) for part in parts]


def parse_mcd_log(text: str, name: str) -> Machine:
    """The machine that a log shows; `unknown` with its reason where no start shows a status. Never raises."""
    scan = LogScan(ends_open=not text.endswith("\n"))
    for line in text.splitlines():
        scan.feed(line)
    return machine_of_log(scan, name)


def machine_of_log(scan: LogScan, name: str) -> Machine:
    """What a log showed once all of its lines were fed."""
    shown = scan.current if scan.current.status else scan.newest_shown
    if shown is None:
        machine = unreadable(name, _why_no_status(scan.current), source=Source.MCD_LOG)
        return replace(machine, node=scan.node)
    lines = list(clean_lines("\n".join(shown.status)))
    reading = parse_status_text(HostText(lines, ends_open=scan.in_status and scan.ends_open))
    problems = [*reading.problems, *_age_problems(scan, shown)]
    if not shown.status_whole and reading.deployments:
        # What stood before the last deployment was whole, or no other would have followed.
        last = replace(reading.deployments[-1], cut=True)
        reading = replace(reading, deployments=(*reading.deployments[:-1], last))
        problems.append("the log ends inside the status, so its last deployment is shown in part")
    machine = machine_from(replace(reading, problems=tuple(problems)), name=name, source=Source.MCD_LOG)
    return replace(
        machine,
        node=shown.node or scan.node,
        observed_at=_utc(shown.time),
        problems=(*machine.problems, *_unsupported_problems(shown, machine)),
    )


def _why_no_status(start: DaemonStart) -> str:
    why = (
        f"the daemon could not get one: {start.failure}" if start.failure else "the log begins after the daemon's start"
    )
    named = f"; the daemon calls unsupported, by requests: {', '.join(start.unsupported)}" if start.unsupported else ""
    return f"this log of a machine-config-daemon shows no rpm-ostree status ({why}){named}"


def _age_problems(scan: LogScan, shown: DaemonStart) -> list[str]:
    """Say that the evidence is older than the log's end, where the log has times."""
    problems = []
    if scan.current is not shown:
        problems.append("the newest start of the daemon shows no status: that of an earlier start was taken")
    begin, end = _moment(shown.time), _moment(_time_of(scan.last_line))
    if begin and end and end - begin > _STARTING_TAKES:
        problems.append(f"the status is of the daemon's start at {_utc(shown.time)}, the log goes on to {_text(end)}")
    return problems


def _unsupported_problems(shown: DaemonStart, machine: Machine) -> list[str]:
    """Say what the daemon counts as unsupported and the status does not show: it counts requests, active or not."""
    if machine.booted is None:
        return []
    seen = {text for change in machine.booted.changes for text in (change.requested, change.name, change.nevra)}
    unseen = [name for name in shown.unsupported if name not in seen]
    return [f"the daemon calls unsupported what the status does not show: {', '.join(unseen)}"] if unseen else []


def _time_of(line: str | None) -> str | None:
    match = _TIME.match(line or "")
    return match[1] if match else None


def _moment(time: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(time).astimezone(UTC) if time else None
    except (ValueError, OverflowError):
        return None


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(time: str | None) -> str | None:
    moment = _moment(time)
    return _text(moment) if moment else None
