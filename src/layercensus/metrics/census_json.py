"""A census as JSON: `layercensus/census/v1`, held to `data/schemas/census-v1.schema.json` by a test. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from layercensus.model import Census, Deployment, JudgedChange, JudgedDeployment, Skipped

SCHEMA = "layercensus/census/v1"


def format_census_json(censuses: Iterable[Census], skipped: list[Skipped]) -> Iterator[str]:
    """Chunks of one JSON document; machines are written as they come, `skipped` is read once they are through."""
    yield f'{{"schema": {json.dumps(SCHEMA)},\n "machines": ['
    separator = "\n  "
    for census in censuses:
        yield separator + json.dumps(machine_value(census))
        separator = ",\n  "
    yield "],\n"
    yield f' "skipped": {json.dumps([_skipped_value(item) for item in skipped])}}}\n'


def _skipped_value(item: Skipped) -> dict[str, Any]:
    """One element of `skipped`; `lost` stands where a machine may be behind it."""
    return {"input": item.input, "reason": item.reason} | ({"lost": True} if item.may_be_machine else {})


def machine_value(census: Census) -> dict[str, Any]:
    """Build one element of `machines`."""
    machine, booted = census.machine, census.booted
    return {
        "input": machine.input,
        "source": machine.source,
        "layering": booted.layering,
        "release": booted.release,
        "release_candidates": list(booted.release_candidates),
        "kernel_type": booted.kernel_type,
        "node": machine.node,
        "roles": list(machine.roles),
        "pool": machine.pool,
        "cluster_id": machine.cluster_id,
        "observed_at": machine.observed_at,
        "os": {key: getattr(machine.os, key) for key in ("id", "variant", "version", "arch")},
        "deployment": _deployment_value(machine.booted),
        "changes": [change_value(judged) for judged in booted.changes],
        "dependencies": None if machine.dependencies is None else list(machine.dependencies),
        "staged": _staged_value(census.staged),
        "flags": _flags_value(machine.booted),
        "problems": list(census.problems),
    }


def change_value(judged: JudgedChange) -> dict[str, Any]:
    """Build one element of `changes`."""
    change, judgement = judged.change, judged.judgement
    return {
        "kind": change.kind,
        "form": change.form,
        "requested": change.requested,
        "name": change.name,
        "nevra": change.nevra,
        "replaces": change.replaces,
        "repository": change.repository,
        "from": change.origin_key,
        "active": change.active,
        "verdict": judgement.verdict,
        "rule": judgement.rule,
        "extension": judgement.extension,
        "managed": judgement.managed,
        "category": judgement.category,
        "need": judgement.need,
        "vendor": judgement.vendor,
    }


def _deployment_value(deployment: Deployment | None) -> dict[str, Any] | None:
    if deployment is None:
        return None
    return {
        "checksum": deployment.checksum,
        "base_checksum": deployment.base_checksum,
        "image": deployment.image or deployment.origin,
        "version": deployment.version,
    }


def _staged_value(staged: JudgedDeployment | None) -> dict[str, Any] | None:
    if staged is None:
        return None
    return {
        "release": staged.release,
        "layering": staged.layering,
        "changes": [change_value(judged) for judged in staged.changes],
    }


def _flags_value(deployment: Deployment | None) -> dict[str, Any]:
    shown = deployment or Deployment()
    return {
        key: getattr(shown, key)
        for key in ("unlocked", "live_applied", "initramfs", "image_layered", "bootc_incompatible")
    }
