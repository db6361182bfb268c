"""One base and one child per room: each error says what, where, whose fault it is and what to do next.

An error carries fields; `cli` alone turns it into one line on standard error and an exit code.
"""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Whose fault an error is."""

    INPUT = "input"
    HOST = "host"
    USAGE = "usage"
    US = "us"


@dataclass
class LayerCensusError(Exception):
    """What went wrong, where (file, member, option), whose fault, what to do next (may be empty)."""

    what: str
    where: str = ""
    fault: Fault = Fault.INPUT
    next_step: str = ""

    def __str__(self) -> str:
        """One line: `where: what; next step`."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}; {self.next_step}" if self.next_step else head


class UsageError(LayerCensusError):
    """The command line asks for something that cannot be (exit 2)."""


class NothingToDoError(LayerCensusError):
    """The command was right and there is nothing to work on: no input, no lake (exit 1)."""


class HostDocumentError(LayerCensusError):
    """A host document cannot be read as what it is."""


class NevraError(HostDocumentError):
    """A text is no NEVRA."""


class CatalogError(LayerCensusError):
    """The catalog data does not hold what was asked of it."""


class MetricsError(LayerCensusError):
    """A value does not fit the metric contract."""


class ClusterError(LayerCensusError):
    """Rules or manifests for a release cannot be rendered."""


class FleetError(LayerCensusError):
    """The collector cannot start, its keys cannot be read, or a store of series does not answer."""


class LakeError(LayerCensusError):
    """The lake cannot be read or written."""


class ReportError(LayerCensusError):
    """A question cannot be answered from these rows."""
