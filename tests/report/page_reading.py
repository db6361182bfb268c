"""A page as its tests read it, from the markup alone: its numbers with their places, its other text, its links.

Nothing here comes from what makes the page. The JSON report is the standard: `evaluate` finds a place in it.
"""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "input", "br"}


@dataclass
class Shown:
    """One number: its exact value, its place, its kind, and what people read."""

    value: float | None
    path: str
    kind: str
    text: str = ""


@dataclass
class _Open:
    tag: str
    attributes: dict[str, str]
    number: Shown | None = None


@dataclass
class Page(HTMLParser):
    """`loose`: text that is no number of the report, no key, no day, no tick and no prose; `prose`: sentences."""

    numbers: list[Shown] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    text: str = ""
    stack: list[_Open] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        self.links += [
            (tag, value) for name, value in attributes.items() if name in {"href", "src", "action", "srcset"}
        ]
        assert not any(name.startswith("on") or name == "style" for name in attributes), attributes
        number = None
        exact = attributes.get("value") if tag == "data" else attributes.get("data-value")
        if attributes.get("data-kind") and exact is not None:
            number = Shown(json.loads(exact), attributes.get("data-path", ""), attributes["data-kind"])
            self.numbers.append(number)
        if tag not in VOID:
            self.stack.append(_Open(tag, attributes, number))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop().tag == tag

    def handle_data(self, data: str) -> None:
        around = {one.tag for one in self.stack}
        if "script" in around:
            self.scripts.append(data)
            return
        if "style" in around:
            return
        self.text += data
        if self.stack and self.stack[-1].number is not None:
            self.stack[-1].number.text += data
        elif any("data-prose" in one.attributes for one in self.stack):
            self.prose.append(data)
        elif any("data-key" in one.attributes or one.tag == "option" for one in self.stack):
            self.keys.append(data)
        elif not any(
            one.tag in {"time", "title"}
            or "data-month" in one.attributes
            or "health" in one.attributes.get("class", "")
            for one in self.stack
        ):
            self.loose.append(data)


def read_page(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.stack == []
    return page


def evaluate(path: str, report: dict[str, Any]) -> float | None:
    """A place in the JSON report, or what is made of several: sums with `+` and `0..3`, one fraction with `/`."""
    over, _, under = path.partition("/")
    top = _sum(over, report)
    if not under:
        return top
    bottom = _sum(under, report)
    return None if top is None or not bottom else top / bottom


def _sum(path: str, report: dict[str, Any]) -> float | None:
    total: float | None = None
    for one in path.split("+"):
        for place in _unrolled(one):
            found: Any = report
            for step in place.split("."):
                if found is None:
                    break
                found = found[int(step)] if isinstance(found, list) else found[step]
            if found is None:
                return None
            assert isinstance(found, int | float), place
            total = found if total is None else total + found
    return total


def _unrolled(path: str) -> list[str]:
    run = re.search(r"(\d+)\.\.(\d+)", path)
    if run is None:
        return [path]
    return [f"{path[: run.start()]}{number}{path[run.end() :]}" for number in range(int(run[1]), int(run[2]) + 1)]
