"""A `Report` as one self-contained HTML page that asks for nothing. Pure; template, style and script are data.

Everything that enters the page is escaped by the template engine, and characters that could turn or hide text are
shown instead. A content security policy names the page's own style and script by their hashes and allows nothing else.
"""

import base64
import hashlib
import json

import jinja2
from markupsafe import Markup

from layercensus.data import read_text
from layercensus.report.notes import METHOD, SIGNALS, unknowns
from layercensus.report.page.choices import choices
from layercensus.report.page.figure import Day, Key, Range, number, percent_range
from layercensus.report.page.health import Health, age_words
from layercensus.report.page.strips import marks
from layercensus.report.page.view import build_view
from layercensus.report.sentence import fleet_sentence
from layercensus.report.shape import SIMULATED, Report
from layercensus.report.wording import count, percent, short_percent
from layercensus.text import visible

_FOLDER = "templates"
_PAGE = "report/page.html.j2"
# What a script's text must not have, or it would end the element, or begin another.
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_report_html(report: Report, health: Health | None = None) -> str:
    """Return the page as text, to be stored as UTF-8. All numbers of the JSON report but cluster ids are on it.

    `health`: what the collector that serves it says of itself.
    """
    style, script = read_text(f"{_FOLDER}/report/page.css"), read_text(f"{_FOLDER}/report/page.js")
    headline, blocked = report.headline, report.what_if_blocked
    return (
        _environment()
        .get_template(_PAGE)
        .render(
            report=report,
            view=build_view(report),
            sentence=fleet_sentence(report),
            health=health,
            is_simulated=report.population == SIMULATED,
            published=_published(report),
            unknown_machines=number(headline.machines.unknown, "headline.machines.unknown"),
            total_machines=number(headline.machines.total, "headline.machines.total"),
            reporting_clusters=number(headline.clusters.reporting, "headline.clusters.reporting"),
            both=percent_range(headline.bounds_ci95, "headline.bounds_ci95") if headline.bounds_ci95 else None,
            what_blocked=blocked.refuse_packages,
            any_blocked=blocked.refuse_any_local_change,
            blocked_machines=number(blocked.refuse_packages.machines, "what_if_blocked.refuse_packages.machines"),
            any_blocked_machines=number(
                blocked.refuse_any_local_change.machines, "what_if_blocked.refuse_any_local_change.machines"
            ),
            unknowns=unknowns(report),
            method=METHOD,
            signal_words=SIGNALS[report.signal],
            marks_of=marks(report.unit),
            choices=Markup(_script_json(choices(report))),  # noqa: S704 - escaped for a script's text
            style=Markup(style),  # noqa: S704 - our own data
            script=Markup(script),  # noqa: S704 - our own data
            policy=content_policy(),
        )
    )


def content_policy() -> str:
    """The content security policy of the page: its own style and script, and nothing else."""
    style, script = (_hash(read_text(f"{_FOLDER}/report/{name}")) for name in ("page.css", "page.js"))
    own = f"style-src '{style}'; script-src '{script}'; img-src data:"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(lambda name: read_text(f"{_FOLDER}/{name}")),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": percent,
        "short_percent": short_percent,
        "count": count,
        "visible": visible,
        "age": age_words,
        "day_words": lambda iso: Day(iso).text,
        "nbsp": lambda text: text.replace(" %", "\u00a0%"),
        "place": lambda at: f"{at:.2f}".rstrip("0").rstrip("."),
    }
    environment.tests |= {
        "range_type": lambda value: isinstance(value, Range),
        "key_type": lambda value: isinstance(value, Key),
        "day_type": lambda value: isinstance(value, Day),
    }
    return environment


def _published(report: Report) -> dict[str, object] | None:
    known = report.published
    if known is None:
        return None
    return {
        "min_clusters": number(known.min_clusters, "published.min_clusters"),
        "suppressed": number(known.suppressed, "published.suppressed"),
    }


def _script_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
