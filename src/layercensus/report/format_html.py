"""A `Report` as one self-contained HTML page: no script, no request to anywhere. Pure; the template is data.

Everything that enters the page is escaped by the template engine, and characters that could turn or hide text are
shown instead.
"""

import jinja2

from layercensus.data import read_text
from layercensus.report.chart import strip, trend_chart
from layercensus.report.notes import METHOD, unknowns
from layercensus.report.sentence import fleet_sentence
from layercensus.report.shape import Report
from layercensus.report.wording import count, counted, decimal, percent, percent_range
from layercensus.text import visible

_TEMPLATE = "templates/report.html.j2"
_TREND_DAYS_SHOWN = 31


def render_report_html(report: Report) -> str:
    """Return the page as text, to be stored as UTF-8. All numbers of the JSON report but cluster ids are on it."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": percent,
        "percent_range": percent_range,
        "count": count,
        "decimal": decimal,
        "visible": visible,
    }
    environment.globals |= {"counted": counted}
    return environment.from_string(read_text(_TEMPLATE)).render(
        report=report,
        sentence=fleet_sentence(report),
        strip=strip(report.headline),
        trend_chart=trend_chart(report.trend),
        trend_shown=list(reversed(report.trend))[:_TREND_DAYS_SHOWN],
        unknowns=unknowns(report),
        method=METHOD,
        proxy=report.signal == "mcd",
    )
