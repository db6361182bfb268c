"""One host document, text in and machines out: recognised by its content, never by its name. Pure.

A document that shows several hosts (several JSON values, several `State:` lines) yields one machine each.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from layercensus.errors import HostDocumentError
from layercensus.host.documents.bootc import is_bootc_status, parse_bootc, split_bootc
from layercensus.host.documents.mcd_log import is_mcd_log, parse_mcd_log, split_logs
from layercensus.host.documents.origin import parse_origin, split_origins
from layercensus.host.documents.other_text import is_denied, parse_admin_status, parse_failure, parse_table
from layercensus.host.documents.status_json import parse_status
from layercensus.host.documents.status_text import parse_status_text
from layercensus.host.documents.text_lines import HostText, split_hosts
from layercensus.host.reading import Reading, machine_from, unreadable
from layercensus.model import Machine, Source

_STATUS_KEY = re.compile(r'"deployments"\s{0,40}:')
# `-J` wraps the document in an array.
_JSON_START = re.compile(r"^[ \t]*(?:\[[ \t]*)?\{", re.MULTILINE)
_JSON_AT_ONCE = re.compile(r"[\s,]*\{")
# What is sure to begin another host behind a broken object: an object at a line's very beginning, or a status text.
_NEXT_HOST = re.compile(r"^\{|^[ \t]*State:[ \t]+(?:idle|busy)", re.MULTILINE)
_STATUS_HEAD = re.compile(
    r"^[^\w\n]{0,40}State:[ \t]+(?:idle|busy)\b|^error: .*(?:ostree|RegisterClient|GDBus)", re.MULTILINE
)
_STATUS_TEXT = re.compile(
    r"\bState:[ \t]+(?:idle|busy)\b|^[^\w\n]{0,40}(?:Deployments|BootedDeployment):[ \t]*$|^.{0,40}LayeredPackages:|"
    r"^[ \t]+(?:RemovedBasePackages|LocalPackages|LocalOverrides|ReplacedBasePackages|InactiveBaseReplacements):|"
    r"^\S{1,4} ostree-\S+:\S+[ \t]*$|TIMESTAMP \(UTC\)[ \t]+VERSION|^error: .*(?:ostree|RegisterClient|GDBus)|"
    r"^error: (?:Timeout was reached|Rejected send message|unable to|timed out|You must be logged in)|"
    r"^ERROR: Status: |"
    r"^Error from server|^Unable to connect to the server|^-?(?:bash|sh|chroot): .*rpm-ostree.*(?:not found|No such)|"
    r"^Job for rpm-ostreed|^[* ] \S+ [0-9a-f]{64}\.\d+",
    re.MULTILINE,
)
# A deployment alone: what stands below its header, in the order that rpm-ostree prints it.
_ALONE = re.compile(
    r"(?<=[^:\s])[ \t]{0,8}\n[> \t]+(?:"
    r"(?:Version|Timestamp):[ \t].{1,200}\n[> \t]+(?:Base)?Commit:[ \t]+[0-9a-f]{64}[ \t]*$|"
    r"(?:Digest:[ \t]+sha256:[0-9a-f]{64}|CustomOrigin:[ \t].{1,200})[ \t]*\n[> \t]+Version:[ \t])",
    re.MULTILINE,
)
# Each costs a look over all that stands before it, to say its line.
_MOST_BROKEN = 1000
_TOO_MANY_BROKEN = f"has more than {_MOST_BROKEN} JSON objects that are broken: what follows was not read"
_MOST_OF_AN_ERROR = 200
_ORIGIN = re.compile(r"^[ \t]*\[origin\][ \t]*$", re.MULTILINE)


def recognise(text: str) -> Source | None:
    """Kind of evidence a text is, by its content; None if it is none that we know."""
    text = text.replace("\r\n", "\n")
    if _STATUS_KEY.search(text) and _JSON_START.search(text):
        return Source.RPM_OSTREE_JSON
    if is_mcd_log(text):
        return Source.MCD_LOG
    # Of one host in several forms rpm-ostree's says most: bootc tells whether, an origin what was asked for.
    if _STATUS_HEAD.search(text):
        return Source.RPM_OSTREE_TEXT
    if is_bootc_status(text):
        return Source.BOOTC
    if _ORIGIN.search(text):
        return Source.ORIGIN
    is_text = _STATUS_TEXT.search(text) or _ALONE.search(text) or is_denied(text)
    return Source.RPM_OSTREE_TEXT if is_text else None


def parse_document(text: str, name: str) -> Iterator[Machine]:
    """Machines that a document shows, at least one; `unknown` with the reason where it can't be read.

    `name` is the machine's `input`; of several hosts in one text each gets `#1`, `#2`, … behind it.
    """
    machines = list(_machines(text.replace("\r\n", "\n"), name))
    for number, machine in enumerate(machines, start=1):
        yield machine if len(machines) == 1 else _numbered(machine, name, number)


def _numbered(machine: Machine, name: str, number: int) -> Machine:
    return replace(machine, input=f"{name}#{number}")


def _machines(text: str, name: str) -> Iterator[Machine]:
    source = recognise(text)
    if source is Source.RPM_OSTREE_JSON:
        yield from _json_machines(text, name)
    elif source is Source.RPM_OSTREE_TEXT:
        note = _beside_status(text)
        for host in split_hosts(text):
            machine = machine_from(_read_text(host), name=name, source=source)
            yield replace(machine, problems=(*machine.problems, note)) if note else machine
    elif source is None:
        yield unreadable(name, _why_unrecognised(text))
    elif source is Source.MCD_LOG:
        yield from (parse_mcd_log(part, name) for part in split_logs(text))
    elif source is Source.BOOTC:
        yield from (machine_from(parse_bootc(part), name=name, source=source) for part in split_bootc(text))
    else:
        for file in split_origins(text):
            try:
                yield machine_from(parse_origin(file), name=name, source=source)
            except HostDocumentError as error:
                yield unreadable(name, str(error), source=source)


def _beside_status(text: str) -> str | None:
    """Say that a text holds another kind of document beside a status, which was not used."""
    others = [
        word
        for word, found in (("a bootc status", is_bootc_status(text)), ("an origin file", _ORIGIN.search(text)))
        if found
    ]
    return f"{' and '.join(others)} in the same text was not used" if others else None


def _why_unrecognised(text: str) -> str:
    if not text.strip():
        return "is empty"
    return "is no output of rpm-ostree status that we know (give --json or the text, whole)"


def _json_machines(text: str, name: str) -> Iterator[Machine]:
    """Every JSON object in the text, one a host, and every host whose text stands before, between or behind them.

    What else stands there (prompts, chatter) is passed over. After a broken object the next one that begins a line, or
    the next status text, is looked for.
    """
    position = broken = 0
    while match := _next_start(text, position):
        if broken == _MOST_BROKEN:
            yield unreadable(name, _TOO_MANY_BROKEN, source=Source.RPM_OSTREE_JSON)
            return
        yield from _text_machines(text[position : match.start()], name)
        start = match.end() - 1
        document, position, problem = _decode_at(text, start)
        if problem is not None:
            broken += 1
            yield unreadable(name, problem, source=Source.RPM_OSTREE_JSON)
            continue
        try:
            yield machine_from(parse_status(document), name=name, source=Source.RPM_OSTREE_JSON)
        except HostDocumentError as error:
            yield unreadable(name, str(error), source=Source.RPM_OSTREE_JSON)
    yield from _text_machines(text[position:], name)


def _next_start(text: str, position: int) -> re.Match[str] | None:
    """Where the next JSON object begins: at once behind the last one, or at the beginning of a line."""
    return _JSON_AT_ONCE.match(text, position) or _JSON_START.search(text, position)


def _decode_at(text: str, start: int) -> tuple[object, int, str | None]:
    """Value of the JSON object that begins there, where it ends, and what is wrong with it."""
    try:
        document, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        return None, _after_broken(text, start), f"is no valid JSON: {_place(error)}"
    except (RecursionError, ValueError):
        problem = "is JSON that no status is: nested too deeply, or with a number too long"
        return None, _after_broken(text, start), problem
    return document, end, None


def _after_broken(text: str, start: int) -> int:
    match = _NEXT_HOST.search(text, start + 1)
    return match.start() if match else len(text)


def _text_machines(text: str, name: str) -> Iterator[Machine]:
    if _STATUS_HEAD.search(text):
        for host in split_hosts(text):
            yield machine_from(_read_text(host), name=name, source=Source.RPM_OSTREE_TEXT)


def _place(error: json.JSONDecodeError) -> str:
    cut = " (the document is cut off)" if error.pos >= len(error.doc.rstrip()) or "Unterminated" in error.msg else ""
    return f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}{cut}"


def _read_text(host: HostText) -> Reading:
    for parse in (parse_table, parse_admin_status):
        if reading := parse(host):
            return reading
    reading = parse_status_text(host)
    if not reading.deployments and (failure := parse_failure(host)):
        return failure
    if host.other_error is None:
        return reading
    error = host.other_error[:_MOST_OF_AN_ERROR]
    note = f"an error in the same text was not taken for one of rpm-ostree status: {error}"
    return replace(reading, problems=(*reading.problems, note))
