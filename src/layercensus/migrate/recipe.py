"""What a build has to do, from what should become of each change. Pure.

Only what fits the grammar of RPM names, NEVRAs and ids of repositories gets here (`advising` leaves the rest by hand).
"""

from collections.abc import Sequence

from layercensus.migrate.plan import Advice, BuildTools, Item, Recipe
from layercensus.model import Change, Form, Kind


def recipe_of(items: Sequence[Item], tools: BuildTools) -> Recipe:
    """The recipe of all items that go into the image."""
    changes = [item.judged.change for item in items if item.advice is Advice.IMAGE]

    def texts(kind: Kind) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_text(change) for change in changes if change.kind is kind))

    remote = ((change.repository or "", _text(change)) for change in changes if change.kind is Kind.REPLACE_REMOTE)
    return Recipe(
        tools=tools,
        remove=texts(Kind.REMOVE),
        replace_local=texts(Kind.REPLACE_LOCAL),
        replace_remote=tuple(dict.fromkeys(remote)),
        install=texts(Kind.INSTALL),
        local=texts(Kind.INSTALL_LOCAL),
        forced=texts(Kind.INSTALL_LOCAL_FORCE),
    )


def _text(change: Change) -> str:
    """What a tool is given: the request as it was written; of a replacement from a repository the name."""
    return change.name or change.requested if change.form is Form.NAME else change.requested
