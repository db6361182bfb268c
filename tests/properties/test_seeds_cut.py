"""A document that is cut never reads cleaner than the whole: over the fuzz seeds of every target that reads documents.

A new parser of documents joins by its target in `fuzz/targets.py` and its seeds. A cut at a line's end shows nothing in a
format that is read line by line, so cuts inside lines count.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from fuzz.seeds import seeds_of
from fuzz.targets import TARGETS
from tests.properties.test_documents_hold import cuts_inside_lines, layerings

from layercensus.model import Layering

DOCUMENTS = "layercensus.host.documents."
NAMES = [
    name for name, target in TARGETS.items() if any(read.__module__.startswith(DOCUMENTS) for read in target.covers)
]
FROM_CLEAN_ON = (Layering.CLEAN, Layering.EXTENSIONS, Layering.OVERRIDES, Layering.PACKAGES)


def texts_of(target: str) -> Iterator[str]:
    return (seed.decode() for seed in seeds_of(target))


def may_become(whole: Layering) -> set[Layering]:
    """Classes that are no cleaner; what is left of a machine of which not all was known may show a package."""
    if whole in FROM_CLEAN_ON:
        return {Layering.UNKNOWN, *FROM_CLEAN_ON[FROM_CLEAN_ON.index(whole) :]}
    return {Layering.UNKNOWN, Layering.PACKAGES} if whole is Layering.UNKNOWN else {Layering.UNKNOWN, whole}


def cleaner_cuts(text: str, places: list[int], judged: Callable[[str], list[Layering]] = layerings) -> list[str]:
    """Ends of what was left, where a machine of it was cleaner; machines are told apart by their order."""
    whole = judged(text)
    return [
        text[:at][-60:]
        for at in places
        if any(now not in may_become(was) for was, now in zip(whole, judged(text[:at]), strict=False))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_cut_inside_a_line_is_never_cleaner(name: str) -> None:
    for text in texts_of(name):
        assert cleaner_cuts(text, cuts_inside_lines(text, 1, len(text))) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_of_each_target_is_judged_as_a_document(name: str) -> None:
    """Else the cuts would show nothing: `recognise` or `_machines` in `document.py` does not know the form."""
    assert any(set(layerings(text)) - {Layering.UNKNOWN, Layering.NOT_APPLICABLE} for text in texts_of(name))


@pytest.mark.parametrize(
    ("whole", "cut", "found"),
    [("packages", "clean", True), ("packages", "overrides", True), ("overrides", "extensions", True),
     ("overrides", "packages", False), ("packages", "unknown", False), ("unknown", "clean", True),
     ("clean", "not_applicable", True)],
)  # fmt: skip
def test_what_counts_as_cleaner(whole: str, cut: str, *, found: bool) -> None:
    judged = {"ab": [Layering(whole)], "a": [Layering(cut)]}
    assert bool(cleaner_cuts("ab", [1], judged.__getitem__)) is found


def test_documents_are_read_by_some_targets() -> None:
    assert {"status_json", "status_text", "origin", "bootc", "mcd_log"} <= set(NAMES)
