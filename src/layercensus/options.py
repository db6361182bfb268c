"""Every command and option, in one place; docs are held to it by a test. Pure: a wrong option is a `UsageError`."""

import argparse
import math
import re
from collections.abc import Sequence
from datetime import date
from typing import NoReturn
from uuid import UUID

from layercensus import __version__
from layercensus.errors import Fault, UsageError

_QUESTION = (
    "What share of CoreOS machines carry locally layered packages that are not CoreOS extensions, "
    "and how sure is the number?"
)
_PATHS = "a status as JSON or text, an origin file, a sosreport or must-gather, a folder of these, -; none: this host"
_DEMO_FOLDER = "layercensus-demo"


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of a command line. Raises `UsageError` with the help that tells more."""
    options, left = build_parser().parse_known_args(arguments)
    if left:
        next_step = f"see layercensus {options.command} --help"
        raise UsageError(f"unrecognized arguments: {' '.join(left)}", fault=Fault.USAGE, next_step=next_step)
    return options


class _Parser(argparse.ArgumentParser):
    """argparse with our errors: one line that says what to do next."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, fault=Fault.USAGE, next_step=f"see {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """Every command and option, one place; docs and README are held to it by a test."""
    parser = _Parser(prog="layercensus", description=_QUESTION)
    parser.add_argument("--version", action="version", version=f"layercensus {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_inspect(commands.add_parser("inspect", help="what is layered on the machines that these documents show"))
    _add_import(commands.add_parser("import", help="put inspected machines into a lake, a cluster a folder"))
    _add_report(commands.add_parser("report", help="the share, its interval and its bounds, from a lake"))
    _add_scan(commands.add_parser("scan", help="what is layered on every node of a cluster, asked through oc"))
    _add_agent(
        commands.add_parser("agent", help="on a node: read it hourly and when it changes, and serve its metrics")
    )
    _add_manifests(
        commands.add_parser("manifests", help="a folder to apply with oc: the agent and its rules, or rules alone")
    )
    _add_collect(commands.add_parser("collect", help="take the reports of a fleet's clusters into a lake"))
    _add_token(commands.add_parser("token", help="let one cluster send its reports to a collector"))
    _add_demo(commands.add_parser("demo", help="captures -> census -> lake -> report, on machines that come with it"))
    return parser


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=_given, metavar="PATH", help=_PATHS)
    parser.add_argument(
        "--root", type=_given, default="/", metavar="DIR", help="without PATH: where the host's / is seen (default: /)"
    )
    _add_release(parser)
    parser.add_argument("--format", choices=("table", "json", "prometheus"), default="table", help="default: table")
    parser.add_argument("--exit-code", action="store_true", help="exit 3 if a machine has packages or overrides")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--oc", type=_given, default="oc", metavar="PROGRAM", help="the oc to run, logged in as you are (default: oc)"
    )
    parser.add_argument("--selector", metavar="LABELS", help="nodes with these labels only, as oc takes them")
    parser.add_argument("--timeout", type=_seconds, default=120, metavar="SECONDS", help="for one node (default: 120)")
    parser.add_argument("--at-once", type=_count, default=5, metavar="N", help="nodes asked at a time (default: 5)")
    parser.add_argument("--format", choices=("table", "json", "prometheus"), default="table", help="default: table")


def _add_agent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=_given, default="/", metavar="DIR", help="where the host's / is seen (default: /)"
    )
    parser.add_argument(
        "--listen", type=_given, metavar="ADDRESS:PORT", help="default: 127.0.0.1:9464; none with --textfile alone"
    )
    parser.add_argument("--textfile", type=_given, metavar="FILE", help="write the metrics there, for a node_exporter")
    parser.add_argument(
        "--package-metrics", action="store_true", help="a series for each package; stays in the cluster"
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--preview", action="store_true", help="show what would leave the cluster of this machine, and stop"
    )
    shown.add_argument(
        "--self-check", action="store_true", help="show what holds of what we assume of a host, and stop"
    )
    parser.add_argument(
        "--tls-cert", type=_given, metavar="FILE", help="serving certificate; with it clients must show one too"
    )
    parser.add_argument("--tls-key", type=_given, metavar="FILE", help="its key")
    parser.add_argument(
        "--client-ca", type=_given, metavar="FILE", help="authorities of clients (default: the cluster's, by its API)"
    )
    parser.add_argument(
        "--client-cn", type=_given, action="append", metavar="NAME", help="common name of a client that may scrape"
    )


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        type=_given,
        metavar="PATH",
        help="a folder of cluster folders, a cluster's folder, or a document",
    )
    parser.add_argument("--lake", type=_given, required=True, metavar="DIR", help="the lake; made if it is not there")
    parser.add_argument(
        "--cluster-id",
        type=_uuid,
        metavar="UUID",
        help="all of it is one cluster, this one; of a store: what has no label of a cluster",
    )
    _add_release(parser)
    parser.add_argument(
        "--prometheus",
        type=_given,
        metavar="URL",
        help="in place of PATH: the series that a Prometheus, Thanos or VictoriaMetrics keeps",
    )
    parser.add_argument(
        "--cluster-label", type=_label, metavar="NAME", help="the label that names clusters (default: cluster_id)"
    )
    parser.add_argument("--bearer-token-file", type=_given, metavar="FILE", help="a token to show to the store")
    parser.add_argument(
        "--ca-file", type=_given, metavar="FILE", help="who signs its certificate (default: the host's)"
    )
    parser.add_argument("--since", type=_day, metavar="DAY", help="the first day, UTC (default: 30 days in all)")
    parser.add_argument("--until", type=_day, metavar="DAY", help="the last day (default: yesterday)")
    parser.add_argument("--again", action="store_true", help="days that are in the lake already, too")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lake", type=_given, required=True, metavar="DIR", help="the lake to read")
    parser.add_argument("--by", choices=("release", "platform", "need"), help="a table by this dimension; text and csv")
    parser.add_argument("--as-of", type=_day, metavar="DAY", help="the day the report is about (default: the newest)")
    parser.add_argument("--signal", choices=("layercensus", "mcd", "capture"), help="where the numbers come from")
    parser.add_argument("--format", choices=("text", "json", "html", "csv"), default="text", help="default: text")
    parser.add_argument("-o", "--output", type=_given, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb", help="default: duckdb")
    parser.add_argument(
        "--master", type=_given, metavar="URL", help="with spark: where it runs (default: local[*], this machine)"
    )


def _add_manifests(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--release", type=_release, metavar="4.14", help="the cluster's OpenShift release; must be given"
    )
    parser.add_argument(
        "--mode",
        choices=("agent", "mcd"),
        default="agent",
        help="with an agent on each node, or rules over the platform's own gauge alone (default: agent)",
    )
    parser.add_argument(
        "--platform",
        choices=("openshift", "kubernetes"),
        default="openshift",
        help="kubernetes: on Fedora CoreOS, without --release (default: openshift)",
    )
    parser.add_argument("--image", type=_image, metavar="REFERENCE", help="the agent's image (default: in the README)")
    parser.add_argument(
        "--telemetry", action="store_true", help="record under the names that leave the cluster: consent"
    )
    parser.add_argument(
        "--output",
        type=_given,
        metavar="DIR",
        help="the folder to make (default: layercensus-MODE-RELEASE, or -kubernetes)",
    )


def _add_collect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lake", type=_given, required=True, metavar="DIR", help="the lake; made if it is not there")
    parser.add_argument(
        "--keys", type=_given, required=True, metavar="FILE", help="the keys that tokens are signed with"
    )
    parser.add_argument("--listen", type=_given, metavar="ADDRESS:PORT", help="default: 127.0.0.1:9465")
    parser.add_argument(
        "--tls-cert", type=_given, metavar="FILE", help="serving certificate; read again when it changes"
    )
    parser.add_argument("--tls-key", type=_given, metavar="FILE", help="its key")
    parser.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="processes that take reports (default: 1)"
    )
    parser.add_argument("--pseudonymous", action="store_true", help="keep a keyed hash in place of each cluster's id")
    parser.add_argument(
        "--inbox", type=_given, metavar="DIR", help="where reports wait for the lake (default: inbox/ in the lake)"
    )
    parser.add_argument(
        "--name",
        type=_name,
        metavar="NAME",
        help="of this collector, where several share an inbox (default: the host's)",
    )


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keys", type=_given, required=True, metavar="FILE", help="the keys; made if the file is not there"
    )
    parser.add_argument("--cluster-id", type=_uuid, metavar="UUID", help="the cluster that the token is for")
    parser.add_argument("--days", type=_days, default=400, metavar="N", help="how long it holds (default: 400)")
    parser.add_argument("--new-key", action="store_true", help="sign with a new key; tokens of older keys still hold")
    parser.add_argument("--revoke", type=_uuid, metavar="UUID", help="make every token of this cluster void")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=_DEMO_FOLDER, metavar="DIR", help=f"default: {_DEMO_FOLDER}")


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--release", type=_release, metavar="4.14", help="the OpenShift release, where the document leaves it open"
    )


def _release(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no release: it should look like 4.14")
    return text


def _given(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("is empty: was a variable not set?")
    return text


# As the distribution specification has it: names in lower case, a digest whole.
_IMAGE = (
    r"(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


def _image(text: str) -> str:
    if not re.fullmatch(_IMAGE, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no image: it should look like registry.example.com/name:tag")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 999")
    return int(text)


def _label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a label")
    return text


def _days(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to 9999")
    return int(text)


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: letters, digits, dots and dashes")
    return text


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: it should look like 2026-11-22") from error


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no UUID") from error
