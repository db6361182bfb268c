"""A `Report` as JSON text by `data/schemas/report-v1.schema.json`. Pure."""

import dataclasses
import json

from layercensus.report.shape import SCHEMA, Report


def format_report_json(report: Report) -> str:
    """JSON text, two spaces deep, ending in a newline; what is not known is null."""
    return json.dumps({"schema": SCHEMA} | _plain_fields(report), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _plain_fields(noun: object) -> dict[str, object]:
    if not dataclasses.is_dataclass(noun):
        raise TypeError(noun)
    plain: dict[str, object] = {}
    for field in dataclasses.fields(noun):
        value = getattr(noun, field.name)
        if field.name == "figures":  # a group's figures stand beside its key, not below it
            plain |= _plain_fields(value)
        else:
            plain[field.name] = _plain(value)
    return plain


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return _plain_fields(value) if dataclasses.is_dataclass(value) else value
