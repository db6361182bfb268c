"""Generated pages name every entry of the contracts, with owner, status and expiry."""

from layercensus.cluster.contract import read_contract
from layercensus.cluster.docs import format_metrics_docs, format_telemetry_docs
from layercensus.data import read_json


def test_telemetry_page_names_every_entry_with_question_owner_status_and_expiry() -> None:
    page = format_telemetry_docs()
    contract = read_contract()
    for series in contract.recorded:
        section = page.split(f"### `{series.name}`")[1].split("###")[0]
        for text in (
            series.meaning,
            series.question,
            series.twin,
            series.owner,
            series.status,
            series.expires.isoformat(),
        ):
            assert text in section
    names = (
        [a.name for a in contract.alerts] + [j.name for j in contract.joined] + [c.name for c in contract.in_cluster]
    )
    for name in names:
        assert f"| `{name}` |" in page


def test_metrics_page_names_every_metric_and_its_closed_values() -> None:
    page = format_metrics_docs()
    for metric in read_json("contract/metrics.json")["metrics"]:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{metric['name']}` |"))
        assert metric["help"] in row
        for rule in metric["labels"].values():
            assert not isinstance(rule, list) or all(f"`{value}`" in row for value in rule)


def test_tables_of_both_pages_have_rows_of_equal_width() -> None:
    for page in (format_telemetry_docs(), format_metrics_docs()):
        for block in page.split("\n\n"):
            rows = [line for line in block.splitlines() if line.startswith("|")]
            assert len({line.replace("\\|", "").count("|") for line in rows}) <= 1
