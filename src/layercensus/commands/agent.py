"""`layercensus agent`: this machine's metrics, kept fresh and served, or written for a textfile collector.

What reads the host is imported by short-lived children only, so that the agent itself stays small.
"""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from layercensus.agent.exchange import EXPOSITION, Request, format_answer
from layercensus.agent.loop import Agent
from layercensus.agent.node_files import read_stamp
from layercensus.agent.outlets import open_server, write_each_to
from layercensus.agent.state import Look, Schedule, Stamp, State
from layercensus.classify.census import classify
from layercensus.commands import EXIT_DONE, EXIT_PARTIAL, Output, Surroundings
from layercensus.commands.addresses import is_loopback, parse_listen
from layercensus.errors import Fault, UsageError
from layercensus.metrics.families import exposition_lines, machine_families, needs_of
from layercensus.metrics.read_families import package_family, read_lines
from layercensus.model import Census, Layering, Machine, Readability

DEFAULT_LISTEN = "127.0.0.1:9464"
_OF_SERVING = ("listen", "textfile", "package_metrics", "tls_cert", "tls_key", "client_ca", "client_cn")
_TORN = "deployments were written while they were read"


def run(options: Namespace, surroundings: Surroundings, schedule: Schedule | None = None) -> Output:
    """Serve until SIGTERM; with --preview or --self-check say what there is to say, and end."""
    root = Path(options.root)
    if options.preview or options.self_check:
        _check_alone(options)
    if options.preview:
        census = _read(root)
        yield from _preview(census)
        return EXIT_PARTIAL if census.booted.layering is Layering.UNKNOWN else EXIT_DONE
    if options.self_check:
        return (yield from _self_check(root))
    listen = options.listen or (None if options.textfile else DEFAULT_LISTEN)
    tls = _wants_tls(options)
    if tls and listen is None:
        raise UsageError("TLS is for serving", fault=Fault.USAGE, next_step="give --listen too, or leave it out")
    address = parse_address(listen, tls=tls) if listen else None
    agent = Agent(
        look=partial(look_at, root, package_metrics=options.package_metrics),
        express=partial(express, unknown="".join(_lines(classify(_unread())))),
        warn=surroundings.warn,
        schedule=schedule or Schedule(),
    )
    if options.textfile:
        write_each_to(agent, Path(options.textfile))
    close = open_server(agent, address, partial(_answer, agent), options) if address else None
    agent.run()
    if close:
        close()
    yield from ()
    return EXIT_DONE


def _check_alone(options: Namespace) -> None:
    """Raise `UsageError` for what only an agent that goes on running can heed."""
    for name in _OF_SERVING:
        if getattr(options, name):
            shown = "--preview" if options.preview else "--self-check"
            what = f"goes without {shown}, which serves and writes nothing"
            raise UsageError(what, f"--{name.replace('_', '-')}", Fault.USAGE, "leave one of them out")


def parse_address(text: str, *, tls: bool) -> tuple[str, int]:
    """Host and port. Raises `UsageError` for what is none, and for an open address without TLS."""
    host, port = parse_listen(text, DEFAULT_LISTEN)
    if not tls and not is_loopback(host):
        next_step = "give --tls-cert, --tls-key and --client-cn, or listen on 127.0.0.1"
        raise UsageError(f"{host} is open to others", where="--listen", fault=Fault.USAGE, next_step=next_step)
    return host, port


def look_at(root: Path, before: Stamp, must_read: bool, *, package_metrics: bool = False) -> Look:
    """In a child: the stamp, and the facts if it moved or they must be read."""
    stamp = read_stamp(root)
    if stamp == before and not must_read:
        return Look(stamp)
    for _ in range(3):
        census = _read(root)
        after = read_stamp(root)
        if after == stamp:
            break
        stamp = after
    else:
        return Look(stamp, reason="inconsistent", problem=_TORN)
    if census.machine.readability is Readability.UNKNOWN:
        from layercensus.agent.reasons import reason_of

        return Look(stamp, reason=reason_of(census.problems), problem="; ".join(census.problems))
    return Look(stamp, facts="".join(_lines(census, package_metrics=package_metrics)))


def express(facts: str | None, state: State, *, unknown: str) -> bytes:
    """The exposition: facts that hold, or those of an unknown machine; and how the reads went."""
    reads = read_lines(
        success=state.succeeded is True,
        timestamp_seconds=state.facts_at.unix if state.facts_at else None,
        duration_seconds=state.duration_seconds,
        errors=state.errors,
    )
    return ((unknown if facts is None else facts) + "".join(reads)).encode()


def _answer(agent: Agent, request: Request) -> bytes:
    if request.path == "/healthz":
        return format_answer(200, b"ok\n", request=request)
    if request.path != "/metrics":
        return format_answer(404, request=request)
    if agent.body is None:
        return format_answer(503, b"the machine is being read for the first time\n", request=request)
    return format_answer(200, agent.body, content_type=EXPOSITION, request=request)


def _wants_tls(options: Namespace) -> bool:
    """Whether TLS was asked for, in full. Raises `UsageError` where a part is missing."""
    given = [options.tls_cert, options.tls_key, options.client_ca, options.client_cn]
    if any(given) and not (options.tls_cert and options.tls_key and options.client_cn):
        next_step = "give --tls-cert, --tls-key and at least one --client-cn"
        raise UsageError(
            "TLS needs a certificate, its key and a name to let in", fault=Fault.USAGE, next_step=next_step
        )
    return any(given)


def _unread() -> Machine:
    return Machine(input="/", source=None, readability=Readability.UNKNOWN)


def _read(root: Path) -> Census:
    from layercensus.host.live.sysroot import read_sysroot

    return classify(read_sysroot(root))


def _lines(census: Census, *, package_metrics: bool = False) -> Iterator[str]:
    yield from exposition_lines(machine_families(census))
    if package_metrics:
        yield from exposition_lines([package_family(census)])


def _preview(census: Census) -> Iterator[str]:
    from layercensus.agent.preview import preview_lines

    yield from preview_lines(census, {need.value for need in needs_of(census.booted.changes)})


def _self_check(root: Path) -> Output:
    """Each assumption a line; exit 1 if one fails."""
    from layercensus.agent.client_ca import check_client_ca
    from layercensus.agent.host_checks import Outcome, check_host, format_checks
    from layercensus.errors import HostDocumentError
    from layercensus.host.live.host_files import is_folder
    from layercensus.host.live.ostree_host import OstreeHost

    proc = Path("/proc")
    ostree = next((path for path in (root / "sysroot/ostree", root / "ostree") if is_folder(path)), root / "ostree")
    host = OstreeHost(root, ostree, proc)
    try:
        found = host.find_booted()
        booted = found if isinstance(found, str) else host.folder_of(found)
    except HostDocumentError as error:
        booted = str(error)
    checks = [*check_host(root, proc, booted), check_client_ca()]
    yield from format_checks(iter(checks))
    return EXIT_PARTIAL if any(check.outcome is Outcome.FAILS for check in checks) else EXIT_DONE
