"""Every command and option, in one place; docs are held to it by a test. Pure: a wrong option is a `UsageError`."""

import argparse
from collections.abc import Sequence

from layercensus import __version__
from layercensus.command_parser import EXITS, Parser, epilog_of
from layercensus.errors import Fault, UsageError
from layercensus.option_values import day, given, image, label, name, release, seconds, tag, up_to, uuid, whole_number

_QUESTION = (
    "What share of CoreOS machines carry locally layered packages that are not CoreOS extensions, "
    "and how sure is the number?"
)
_PATHS = "a status as JSON or text, an origin file, a sosreport or must-gather, a folder of these, -; none: this host"
_PLAN_PATHS = "documents of the machines of a pool or cluster, as inspect reads them: files, folders, bundles, -"
_DEMO_FOLDER = "layercensus-demo"


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of a command line. Raises `UsageError` with the help that tells more."""
    options, left = build_parser().parse_known_args(arguments)
    if left:
        next_step = f"see layercensus {options.command} --help"
        raise UsageError(f"unrecognized arguments: {' '.join(left)}", fault=Fault.USAGE, next_step=next_step)
    return options


def build_parser() -> argparse.ArgumentParser:
    """Every command and option, one place; docs and README are held to it by a test."""
    parser = Parser(prog="layercensus", description=_QUESTION, epilog=EXITS)
    parser.add_argument("--version", action="version", version=f"layercensus {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=epilog_of(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_inspect(command("inspect", "what is layered on the machines that these documents show"))
    _add_import(command("import", "put inspected machines into a lake, a cluster a folder"))
    _add_report(command("report", "the share, its interval and its bounds, from a lake"))
    _add_scan(command("scan", "what is layered on every node of a cluster, asked through oc"))
    _add_agent(command("agent", "on a node: read it hourly and when it changes, and serve its metrics"))
    _add_manifests(command("manifests", "a folder to apply with oc: the agent and its rules, or rules alone"))
    _add_plan(command("plan", "from local layers to an image: what is refused, a Containerfile, the steps"))
    _add_collect(command("collect", "take the reports of a fleet's clusters into a lake"))
    _add_token(command("token", "let one cluster send its reports to a collector"))
    _add_simulate(command("simulate", "a synthetic fleet whose true share is known, as a lake"))
    _add_tidy(command("tidy", "bring up to date what a lake keeps beside its rows; drop old days"))
    _add_demo(command("demo", "captures -> census -> lake -> report, on machines that come with it"))
    return parser


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=given, metavar="PATH", help=_PATHS)
    parser.add_argument(
        "--root", type=given, default="/", metavar="DIR", help="without PATH: where the host's / is seen (default: /)"
    )
    _add_release(parser)
    parser.add_argument("--format", choices=("table", "json", "prometheus"), default="table", help="default: table")
    parser.add_argument("--exit-code", action="store_true", help="exit 3 if a machine has packages or overrides")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--oc", type=given, default="oc", metavar="PROGRAM", help="the oc to run, logged in as you are (default: oc)"
    )
    parser.add_argument("--selector", metavar="LABELS", help="nodes with these labels only, as oc takes them")
    parser.add_argument("--timeout", type=seconds, default=120, metavar="SECONDS", help="for one node (default: 120)")
    parser.add_argument("--at-once", type=up_to(999), default=5, metavar="N", help="nodes asked at a time (default: 5)")
    parser.add_argument("--format", choices=("table", "json", "prometheus"), default="table", help="default: table")


def _add_agent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=given, default="/", metavar="DIR", help="where the host's / is seen (default: /)"
    )
    parser.add_argument(
        "--listen", type=given, metavar="ADDRESS:PORT", help="default: 127.0.0.1:9464; none with --textfile alone"
    )
    parser.add_argument("--textfile", type=given, metavar="FILE", help="write the metrics there, for a node_exporter")
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
        "--tls-cert", type=given, metavar="FILE", help="serving certificate; with it clients must show one too"
    )
    parser.add_argument("--tls-key", type=given, metavar="FILE", help="its key")
    parser.add_argument(
        "--client-ca", type=given, metavar="FILE", help="authorities of clients (default: the cluster's, by its API)"
    )
    parser.add_argument(
        "--client-cn", type=given, action="append", metavar="NAME", help="common name of a client that may scrape"
    )


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        type=given,
        metavar="PATH",
        help="a folder of cluster folders, a cluster's folder, or a document",
    )
    parser.add_argument("--lake", type=given, required=True, metavar="DIR", help="the lake; made if it is not there")
    parser.add_argument(
        "--cluster-id",
        type=uuid,
        metavar="UUID",
        help="all of it is one cluster, this one; of a store: what has no label of a cluster",
    )
    _add_release(parser)
    parser.add_argument(
        "--prometheus",
        type=given,
        metavar="URL",
        help="in place of PATH: the series that a Prometheus, Thanos or VictoriaMetrics keeps",
    )
    parser.add_argument(
        "--cluster-label", type=label, metavar="NAME", help="the label that names clusters (default: cluster_id)"
    )
    parser.add_argument("--bearer-token-file", type=given, metavar="FILE", help="a token to show to the store")
    parser.add_argument("--ca-file", type=given, metavar="FILE", help="who signs its certificate (default: the host's)")
    parser.add_argument("--since", type=day, metavar="DAY", help="the first day, UTC (default: 30 days in all)")
    parser.add_argument("--until", type=day, metavar="DAY", help="the last day (default: yesterday)")
    parser.add_argument("--again", action="store_true", help="days that are in the lake already, too")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lake", type=given, required=True, metavar="DIR", help="the lake to read")
    parser.add_argument(
        "--by",
        choices=("release", "platform", "age", "account_class", "need"),
        help="a table by this dimension; text and csv",
    )
    parser.add_argument("--as-of", type=day, metavar="DAY", help="the day the report is about (default: the newest)")
    parser.add_argument("--signal", choices=("layercensus", "mcd", "capture"), help="where the numbers come from")
    parser.add_argument(
        "--accounts", type=given, metavar="FILE", help="whose clusters these are: cluster_id,account,internal,class"
    )
    parser.add_argument(
        "--known-clusters", type=given, metavar="FILE", help="which clusters exist: cluster_id,machines"
    )
    parser.add_argument(
        "--weights", type=given, metavar="FILE", help="how many exist of each kind: release,platform,class,clusters"
    )
    parser.add_argument("--publish", action="store_true", help="tell no group of few clusters apart, in any format")
    parser.add_argument(
        "--min-clusters",
        type=up_to(9999, least=2),
        metavar="N",
        help="with --publish: how many are not few (default: 10)",
    )
    parser.add_argument("--format", choices=("text", "json", "html", "csv"), default="text", help="default: text")
    parser.add_argument("-o", "--output", type=given, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb", help="default: duckdb")
    parser.add_argument(
        "--master", type=given, metavar="URL", help="with spark: where it runs (default: local[*], this machine)"
    )


def _add_manifests(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--release", type=release, metavar="4.14", help="the cluster's OpenShift release; must be given"
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
    parser.add_argument("--image", type=image, metavar="REFERENCE", help="the agent's image (default: in the README)")
    parser.add_argument(
        "--telemetry", action="store_true", help="record under the names that leave the cluster: consent"
    )
    parser.add_argument(
        "--output",
        type=given,
        metavar="DIR",
        help="the folder to make (default: layercensus-MODE-RELEASE, or -kubernetes)",
    )


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=given, metavar="PATH", help=_PLAN_PATHS)
    parser.add_argument("--lake", type=given, metavar="DIR", help="in place of PATH: how much of a fleet it would free")
    _add_release(parser)
    parser.add_argument("--pool", type=name, metavar="NAME", help="the machine config pool that all of these are in")
    parser.add_argument(
        "--format", choices=("text", "containerfile", "machineosconfig", "json"), default="text", help="default: text"
    )
    parser.add_argument(
        "--everything", action="store_true", help="into the image goes what had better be dropped or replaced, too"
    )
    parser.add_argument(
        "--allow-tech-preview",
        action="store_true",
        help="builds on the cluster where they are a preview (4.16 to 4.18)",
    )
    parser.add_argument("--push-to", type=tag, metavar="REFERENCE", help="where the cluster pushes what it built")
    parser.add_argument("--push-secret", type=name, metavar="NAME", help="the secret that it pushes with")
    parser.add_argument(
        "--rpm-image", type=tag, metavar="REFERENCE", help="an image with the RPM files in /rpms, for such builds"
    )


def _add_collect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lake", type=given, required=True, metavar="DIR", help="the lake; made if it is not there")
    parser.add_argument(
        "--keys", type=given, required=True, metavar="FILE", help="the keys that tokens are signed with"
    )
    parser.add_argument("--listen", type=given, metavar="ADDRESS:PORT", help="default: 127.0.0.1:9465")
    parser.add_argument(
        "--tls-cert", type=given, metavar="FILE", help="serving certificate; read again when it changes"
    )
    parser.add_argument("--tls-key", type=given, metavar="FILE", help="its key")
    parser.add_argument(
        "--workers", type=up_to(999), default=1, metavar="N", help="processes that take reports (default: 1)"
    )
    pages = ("published", "whole", "none")
    parser.add_argument(
        "--page", choices=pages, default="published", help="the report at /, which anyone may see (default: published)"
    )
    parser.add_argument(
        "--min-clusters",
        type=up_to(9999, least=2),
        metavar="N",
        help="on that page: how many are not few (default: 10)",
    )
    parser.add_argument("--pseudonymous", action="store_true", help="keep a keyed hash in place of each cluster's id")
    parser.add_argument(
        "--inbox", type=given, metavar="DIR", help="where reports wait for the lake (default: inbox/ in the lake)"
    )
    parser.add_argument(
        "--name",
        type=name,
        metavar="NAME",
        help="of this collector, where several share an inbox (default: the host's)",
    )


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keys", type=given, required=True, metavar="FILE", help="the keys; made if the file is not there"
    )
    parser.add_argument("--cluster-id", type=uuid, metavar="UUID", help="the cluster that the token is for")
    parser.add_argument("--days", type=up_to(9999), metavar="N", help="how long it holds (default: 400)")
    parser.add_argument("--new-key", action="store_true", help="sign with a new key; tokens of older keys still hold")
    parser.add_argument("--revoke", type=uuid, metavar="UUID", help="make every token of this cluster void")


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clusters", type=up_to(1_000_000), required=True, metavar="N", help="how many, 1 to 1000000")
    parser.add_argument("--days", type=up_to(3660), required=True, metavar="D", help="for how many days, 1 to 3660")
    parser.add_argument(
        "--seed", type=whole_number, required=True, metavar="S", help="a whole number: the same, the same fleet"
    )
    parser.add_argument(
        "--lake", type=given, required=True, metavar="DIR", help="the lake to make, with DIR.truth.json beside it"
    )


def _add_tidy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lake", type=given, required=True, metavar="DIR", help="the lake")
    parser.add_argument(
        "--keep-days",
        type=up_to(36_600, least=7),
        metavar="N",
        help="remove rows of all days but the newest and the N-1 before it; 7 at least, for so long a row counts",
    )
    parser.add_argument("--anew", action="store_true", help="make all of it again, from the rows alone")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=_DEMO_FOLDER, metavar="DIR", help=f"default: {_DEMO_FOLDER}")


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--release", type=release, metavar="4.14", help="the OpenShift release, where the document leaves it open"
    )
