"""What Prometheus makes of a series by `writeRelabelConfigs`, after its documentation (configuration, relabel_config).

Of its actions those that the kit uses; the hash of `hashmod` is of no matter here, only that it is a number.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any


def relabelled(labels: Mapping[str, str], rules: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """Labels of the series as it is sent; None if it is not."""
    found = dict(labels)
    for rule in rules:
        pattern = re.compile(f"^(?:{rule.get('regex', '(.*)')})$", re.DOTALL)
        joined = ";".join(found.get(name, "") for name in rule.get("sourceLabels", ()))
        match rule["action"]:
            case "keep":
                if not pattern.match(joined) or joined.endswith("\n"):
                    return None
            case "replace":
                found[rule["targetLabel"]] = joined
            case "hashmod":
                found[rule["targetLabel"]] = str(len(joined) % rule["modulus"])
            case "labelkeep":
                found = {name: value for name, value in found.items() if pattern.match(name)}
            case other:
                raise AssertionError(other)
    return {name: value for name, value in found.items() if value and not name.startswith("__tmp_")}
