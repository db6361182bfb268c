"""What a fleet would gain, by need; of a signal that knows no needs, that it cannot be told."""

import json
from dataclasses import replace

from layercensus.migrate.fleet import FleetAdvice, Freed, format_fleet_json, format_fleet_text
from layercensus.model import Need

NOTHING = Freed(None, None, None, None)


def advice(found: Freed) -> FleetAdvice:
    return FleetAdvice("A sentence.", "2026-05-31", "layercensus", "these", found, dict.fromkeys(map(str, Need), found))


def test_every_need_has_its_advice_and_its_interval() -> None:
    text = format_fleet_text(advice(Freed(3, 2, 0.25, (0.1, 0.5))))
    rows = [line.split() for line in text.splitlines() if "25.0 %" in line]
    assert [row[0] for row in rows] == ["tool", "agent", "driver", "override", "other", "any"]
    assert all("10.0–50.0" in row for row in rows)
    assert max(map(len, text.splitlines())) <= 80


def test_a_signal_without_needs_says_so_and_shows_no_zero() -> None:
    assert "cannot tell why" in format_fleet_text(advice(NOTHING))
    value = json.loads(format_fleet_json(advice(NOTHING)))["fleet"]
    assert {row["machines"] for row in value["by_need"]} == {None}


def test_what_is_not_known_is_said_and_is_no_zero() -> None:
    found = Freed(0, 0, 0.0, (0.0, 0.0004), (0.0, 0.4865))
    text = format_fleet_text(replace(advice(found), unknown=18))
    assert "Not known of 18 more, which could not be read or whose cluster does not tell" in text
    assert "0.0–<0.1 %" in text
    rows = json.loads(format_fleet_json(advice(found)))["fleet"]["by_need"]
    assert {tuple(row["bounds"]) for row in rows} == {(0.0, 0.4865)}
    assert "Not known" not in format_fleet_text(advice(found))
