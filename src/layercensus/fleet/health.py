"""How a collector is, as its page shows it: counts of the last hour, and ages. Pure.

History().health(totals, now=…)      totals: {("requests_total", "204"): 4821.0, ("refused_total", "token"): 12.0, …}
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_PERIOD_SECONDS = 3600.0
Totals = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Health:
    """At `now` (seconds since 1970): requests taken and refused, by reason, in the last `period_seconds`; ages.

    `waiting_files`: files in the inbox; `drain_seconds`: age of the oldest row that is not in the lake yet, None where
    another collector drains; `newest_row_seconds`: age of the newest row, None where there is none.
    """

    now: float
    period_seconds: float
    accepted: int
    refused: tuple[tuple[str, int], ...]
    waiting_files: int | None
    drain_seconds: float | None
    newest_row_seconds: float | None


@dataclass(eq=False)
class History:
    """Totals as they were, so that those of the last hour can be told; at first of a shorter time."""

    _seen: deque[tuple[float, Totals]] = field(default_factory=deque)

    def health(self, totals: Totals, now: float, *, waiting_files: int | None, rows_changed_at: float | None) -> Health:
        """How it is now."""
        self._seen.append((now, totals))
        while now - self._seen[0][0] > _PERIOD_SECONDS and len(self._seen) > 1:
            self._seen.popleft()
        since, before = self._seen[0]
        refused = {
            reason: round(count - before.get((name, reason), 0.0))
            for (name, reason), count in totals.items()
            if name == "refused_total"
        }
        accepted = totals.get(("requests_total", "204"), 0.0) - before.get(("requests_total", "204"), 0.0)
        return Health(
            now=now,
            period_seconds=now - since,
            accepted=round(accepted),
            refused=tuple(sorted((reason, count) for reason, count in refused.items() if count > 0)),
            waiting_files=waiting_files,
            drain_seconds=totals.get(("lake_lag_seconds", "")) if totals.get(("drains", "")) else None,
            newest_row_seconds=None if rows_changed_at is None else max(0.0, now - rows_changed_at),
        )
