"""docs/upstream.md: the rule group it proposes passes the test it proposes, and the test fails without the group."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "upstream.md"


def test_the_proposed_test_passes_with_the_proposed_rules_and_would_have_caught_their_loss(
    promtool: Any, tmp_path: Path
) -> None:
    rules, test = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "test.yaml").write_text(test)
    (tmp_path / "rules.yaml").write_text(f"groups:\n{rules}")
    assert promtool("test", "rules", str(tmp_path / "test.yaml")).returncode == 0
    (tmp_path / "rules.yaml").write_text("groups: []\n")
    assert promtool("test", "rules", str(tmp_path / "test.yaml")).returncode != 0
