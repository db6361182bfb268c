"""What else is known of the population, and of the report's own gaps, as terms with their figures. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from layercensus.report.page.figure import Line, number, percent, percent_range, tenth
from layercensus.report.page.tables import Column, Table, TableRow
from layercensus.report.shape import Accounts, KnownClusters, Proxy, Report, Weighted


@dataclass(frozen=True, slots=True)
class Block:
    """A titled list of what is known besides the report's own clusters."""

    title: str
    lines: tuple[Line, ...]


def blocks(report: Report) -> tuple[Block, ...]:
    """What was given besides the lake, where it was."""
    found = []
    if report.weighted is not None:
        found.append(Block("Weighted to a known population", tuple(_weighted(report.weighted))))
    if report.known_clusters is not None:
        found.append(Block("Held to a list of clusters that exist", tuple(_known(report.known_clusters))))
    if report.proxy is not None:
        found.append(Block("What this says of layered packages", tuple(_proxy(report.proxy))))
    if report.accounts is not None:
        found.append(Block("Accounts", tuple(_accounts(report.accounts))))
    return tuple(found)


def gap_table(report: Report) -> Table:
    """Every count of the report's `quality`, known or not."""
    quality = report.quality
    counts = (
        ("machines that could not be read", quality.unread_machines, "unread_machines"),
        ("machines expected and not seen", quality.unseen_machines, "unseen_machines"),
        ("clusters without a machine that could be read", quality.unread_clusters, "unread_clusters"),
        ("clusters silent for seven days or more, so not counted", quality.silent, "silent"),
        ("clusters last heard of before the day of the report", quality.stale, "stale"),
        ("clusters of which the release is not known", quality.unknown_release, "unknown_release"),
        ("clusters whose clock is more than ten minutes off", quality.skewed, "skewed"),
        ("clusters that may be a clone of another", quality.suspected_clones, "suspected_clones"),
        ("snapshots that were incomplete and left out", quality.incomplete, "incomplete"),
    )
    rows = tuple(TableRow(what, (number(value, f"quality.{field}"),)) for what, value, field in counts)
    corner, columns = Column("what", "wrong or missing"), (Column("how_many", "how many"),)
    return Table("quality", "What is wrong or missing behind the number", corner, columns, rows)


def _weighted(known: Weighted) -> Iterator[Line]:
    path = "weighted"
    yield (
        "Each kind of cluster counted as often as it is there: ",
        percent(known.share, f"{path}.share"),
        " (95\u00a0% interval ",
        percent_range(known.ci95, f"{path}.ci95"),
        "; bounds ",
        percent_range(known.bounds, f"{path}.bounds"),
        ").",
    )
    yield (
        "The known population has ",
        number(known.population, f"{path}.population"),
        " clusters of ",
        number(known.cells, f"{path}.cells"),
        " kinds; ",
        number(known.unrepresented, f"{path}.unrepresented"),
        " are of kinds of which none reports, and ",
        number(known.left_out, f"{path}.left_out"),
        " reporting clusters are of no known kind.",
    )
    yield (
        "Weighting has a design effect of ",
        tenth(known.design_effect, f"{path}.design_effect"),
        ": the machines are worth ",
        number(known.effective_machines, f"{path}.effective_machines"),
        " independent ones.",
    )


def _known(known: KnownClusters) -> Iterator[Line]:
    path = "known_clusters"
    yield (
        "Of ",
        number(known.listed, f"{path}.listed"),
        " clusters on the list ",
        number(known.reporting, f"{path}.reporting"),
        " report and ",
        number(known.silent, f"{path}.silent"),
        " do not (the size of ",
        number(known.silent_of_unknown_size, f"{path}.silent_of_unknown_size"),
        " of these is not known); ",
        number(known.unlisted, f"{path}.unlisted"),
        " that report are not on it.",
    )
    if known.silent_machines is None:
        yield ("So there are no bounds that count them either way.",)
        return
    yield (
        "With the ",
        number(known.silent_machines, f"{path}.silent_machines"),
        " machines of silent clusters counted either way: ",
        percent_range(known.bounds, f"{path}.bounds"),
        " (95\u00a0% interval around that ",
        percent_range(known.bounds_ci95, f"{path}.bounds_ci95"),
        ").",
    )


def _proxy(known: Proxy) -> Iterator[Line]:
    yield (
        (
            "The gauge of OpenShift's machine config daemon (MCD) cannot tell layered packages from overrides. "
            "The share with layered packages is in between: "
        ),
        percent_range(known.packages_bounds, "proxy.packages_bounds"),
        ".",
    )


def _accounts(known: Accounts) -> Iterator[Line]:
    path = "accounts"
    yield (
        "Clusters belong to ",
        number(known.accounts, f"{path}.accounts"),
        " accounts; of ",
        number(known.clusters_without_account, f"{path}.clusters_without_account"),
        " clusters the account is not known.",
    )
    internal = known.internal
    yield (
        "Internal accounts are left out: ",
        number(internal.clusters.reporting, f"{path}.internal.clusters.reporting"),
        " clusters with ",
        number(internal.machines.classified, f"{path}.internal.machines.classified"),
        " machines that could be read, share ",
        percent(internal.share, f"{path}.internal.share"),
        ".",
    )
