"""`layercensus collect`: a fleet's clusters send their reports here, and they become rows of a lake."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from layercensus.commands import Output, Surroundings
from layercensus.commands.addresses import is_loopback, parse_listen
from layercensus.commands.page import PageOfLake
from layercensus.errors import Fault, UsageError
from layercensus.fleet.collector import LakeDoor, Plan, default_name, serve
from layercensus.fleet.key_file import read_keys
from layercensus.fleet.page_maker import PageDoor
from layercensus.lake.folder import lake_for_writing, rows_changed_at
from layercensus.lake.population import refresh
from layercensus.lake.storage import write_rows

DEFAULT_LISTEN = "127.0.0.1:9465"
_MIN_CLUSTERS = 10


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Serve until SIGTERM."""
    if bool(options.tls_cert) != bool(options.tls_key):
        next_step = "give both --tls-cert and --tls-key"
        raise UsageError("TLS needs a certificate and its key", fault=Fault.USAGE, next_step=next_step)
    host, port = parse_listen(options.listen or DEFAULT_LISTEN, DEFAULT_LISTEN)
    keys, lake = Path(options.keys).absolute(), Path(options.lake).absolute()
    page = _page(options, lake)
    read_keys(keys)
    with lake_for_writing(lake):
        # It is made, or it is said at once why it cannot be one.
        pass
    if not options.tls_cert and not is_loopback(host):
        surroundings.warn(
            "layercensus: collect: no TLS: tokens travel in the clear, unless a proxy before this adds it"
        )
    inboxes = Path(options.inbox).absolute() if options.inbox else lake / "inbox"
    plan = Plan(
        host=host,
        port=port,
        workers=options.workers,
        keys=keys,
        inboxes=inboxes,
        name=options.name or default_name(),
        certificate=Path(options.tls_cert).absolute() if options.tls_cert else None,
        key=Path(options.tls_key).absolute() if options.tls_key else None,
        pseudonymous=options.pseudonymous,
    )
    yield from ()
    return serve(plan, LakeDoor(partial(write_rows, lake), partial(refresh, lake)), page)


def _page(options: Namespace, lake: Path) -> PageDoor | None:
    """What makes the report page. Raises `UsageError`."""
    if options.min_clusters is not None and options.page != "published":
        raise UsageError("is for what is published", "--min-clusters", Fault.USAGE, "leave out --page")
    if options.page == "none":
        return None
    least = (options.min_clusters or _MIN_CLUSTERS) if options.page == "published" else None
    return PageDoor(PageOfLake(lake, least), partial(rows_changed_at, lake))
