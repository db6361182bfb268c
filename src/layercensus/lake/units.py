"""What is known of clusters beside their rows, as tables and views of an engine. Pure; any engine makes them.

accounts          cluster_id, account, is_internal, account_class     empty where nobody says
listed_clusters   cluster_id, machines                                empty where nobody says
counted_days      `active_days` with each cluster's machines by what they are and the unit it belongs to
internal_days     the same of internal clusters, which count nowhere else
known_clusters    `heard_clusters` without internal ones
"""

from collections.abc import Mapping, Sequence

from layercensus.data import read_text
from layercensus.lake.cluster_lists import ClusterLists
from layercensus.lake.contract import ColumnType

Table = tuple[Mapping[str, str], Sequence[tuple[object, ...]]]


def list_tables(lists: ClusterLists) -> dict[str, Table]:
    """Columns with their types, and rows, of each table."""
    accounts = [(one.cluster_id, one.account, one.is_internal, one.account_class) for one in lists.accounts]
    text = ColumnType.VARCHAR
    return {
        "accounts": (
            {"cluster_id": text, "account": text, "is_internal": "BOOLEAN", "account_class": text},
            accounts,
        ),
        "listed_clusters": (
            {"cluster_id": text, "machines": ColumnType.BIGINT},
            [(one.cluster_id, one.machines) for one in lists.known],
        ),
    }


def list_views() -> dict[str, str]:
    """SQL of each view, in the order in which they are made."""
    counted = read_text("lake/views/counted_days.sql")
    return {
        "counted_days": counted.replace(":is_internal", "FALSE"),
        "internal_days": counted.replace(":is_internal", "TRUE"),
        "known_clusters": read_text("lake/views/known_clusters.sql"),
    }
