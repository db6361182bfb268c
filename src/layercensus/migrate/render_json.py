"""A plan as JSON: `layercensus/plan/v1`, held to `data/schemas/plan-v1.schema.json` by a test. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from layercensus.migrate.plan import SCHEMA, BaseImage, Item, MachinePlan, PoolPlan, Recipe, Step
from layercensus.model import Skipped


def format_plan_json(plans: Sequence[PoolPlan], skipped: Sequence[Skipped]) -> Iterator[str]:
    """Chunks of one JSON document, with a newline at its end."""
    value = {
        "schema": SCHEMA,
        "pools": [pool_value(plan) for plan in plans],
        "skipped": [
            {"input": item.input, "reason": item.reason} | ({"lost": True} if item.may_be_machine else {})
            for item in skipped
        ],
    }
    yield json.dumps(value, indent=1) + "\n"


def pool_value(plan: PoolPlan) -> dict[str, Any]:
    """Build one element of `pools`."""
    return {
        "label": plan.label,
        "pool": plan.name,
        "releases": list(plan.releases),
        "way": plan.way,
        "machines": [_machine_value(machine) for machine in plan.machines],
        "changes": [_item_value(item) for item in plan.items],
        "base": _base_value(plan.base),
        "recipe": _recipe_value(plan.recipe),
        "containerfile": plan.containerfile,
        "machine_os_config": plan.machine_os_config,
        "steps": [_step_value(step) for step in plan.steps],
        "withheld": [{"what": part.what, "why": part.why} for part in plan.withheld],
        "unknown": list(plan.unknowns),
    }


def _machine_value(machine: MachinePlan) -> dict[str, Any]:
    return {
        "input": machine.census.machine.input,
        "node": machine.census.machine.node,
        "image_mode": machine.answer,
        "why": machine.why,
        "refused_by": {group: list(names) for group, names in machine.refused_by},
        "differs": list(machine.differs),
    }


def _item_value(item: Item) -> dict[str, Any]:
    change, judgement = item.judged.change, item.judged.judgement
    return {
        "kind": change.kind,
        "requested": change.requested,
        "name": change.name,
        "nevra": change.nevra,
        "repository": change.repository,
        "header_sha256": change.header_sha256,
        "active": change.active,
        "verdict": judgement.verdict,
        "extension": judgement.extension,
        "need": judgement.need,
        "advice": item.advice,
        "why": item.why,
        "instead": item.instead,
        "source": item.source,
        "traps": [{"trap": trap.trap, "says": trap.words, "below": trap.below} for trap in item.traps],
        "machines": list(item.machines),
    }


def _base_value(base: BaseImage) -> dict[str, Any]:
    return {
        "image": base.reference,
        "why_not": base.why_not,
        "several": list(base.several),
        "name_in_payload": base.name_in_payload,
        "is_custom": base.is_custom,
    }


def _recipe_value(recipe: Recipe) -> dict[str, Any]:
    return {
        "tool": recipe.tools.tool,
        "finish": list(recipe.tools.finish),
        "remove": list(recipe.remove),
        "replace_local": list(recipe.replace_local),
        "replace_remote": [{"repository": source, "name": name} for source, name in recipe.replace_remote],
        "install": list(recipe.install),
        "install_local": list(recipe.local),
        "install_local_force": list(recipe.forced),
    }


def _step_value(step: Step) -> dict[str, Any]:
    return {
        "title": step.title,
        "where": step.where,
        "commands": list(step.commands),
        "why": step.why,
        "undo": step.undo,
    }
