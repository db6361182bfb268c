"""What the collector says of itself on its page, besides the report. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """`made_at`: when the page was made (UTC, as 2026-03-07T12:00:00Z); seconds and counts at that time.

    `accepted` and `refused` (by reason) are requests of the last `period_seconds`; None: not known.
    """

    made_at: str
    newest_row_seconds: float | None
    accepted: int
    refused: tuple[tuple[str, int], ...]
    period_seconds: float
    waiting_files: int | None
    drain_seconds: float | None
    every_seconds: float


def age_words(seconds: float | None) -> str:
    """An age as people say it: `2 minutes`; "not known" for None."""
    if seconds is None:
        return "not known"
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            whole = round(seconds / size)
            return f"{whole} {word}{'' if whole == 1 else 's'}"
    whole = round(seconds)
    return f"{whole} second{'' if whole == 1 else 's'}"
