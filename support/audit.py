"""Known weaknesses of what the locks name, by pip-audit, and whether the SBOM is one, by CycloneDX's own schema.

    .venv-audit/bin/python support/audit.py [--pip-audit PROGRAM]

Advisories come from PyPI, else from OSV. Exit 1 for a weakness, for a lock that cannot be read, for an SBOM that is
none; where no source answers it is said on standard error that nothing was audited, and that alone is no failure: who
builds without a network must be able to.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SBOM = ROOT / "docs" / "sbom" / "layercensus.cdx.json"
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
SOURCES = ("pypi", "osv")
_SECONDS = 15
# What pip-audit says where a source does not answer (`_service/interface.py`, ServiceError and ConnectionError), and
# what the libraries below it do.
_UNREACHABLE = re.compile(
    r"could not connect|connection ?error|max retries|timed? ?out|name resolution|unreachable|proxy|service ?error|"
    r"HTTP ?Error|\b5\d\d\b",
    re.IGNORECASE,
)


class UnreachableError(Exception):
    """No advisories come from there."""


class FailedError(Exception):
    """The tool itself failed."""


def main(arguments: Sequence[str]) -> int:
    """Audit every lock and the SBOM."""
    parser = argparse.ArgumentParser(description="Known weaknesses of what the locks name.")
    parser.add_argument("--pip-audit", default=str(Path(sys.executable).with_name("pip-audit")), metavar="PROGRAM")
    options = parser.parse_args(arguments)
    return max(audit(options.pip_audit), check_sbom())


def audit(program: str) -> int:
    """Ask each source until one answers; the exit status."""
    why = ""
    for source in SOURCES:
        try:
            return say([one for lock in LOCKS for one in ask(program, source, lock)], source)
        except UnreachableError as error:
            why = str(error)
        except FailedError as error:
            print(f"pip-audit failed: {error}", file=sys.stderr)
            return 1
    print(f"NOT AUDITED: no source of advisories answers ({', '.join(SOURCES)}): {why}", file=sys.stderr)
    return 0


def ask(program: str, source: str, lock: Path) -> list[dict[str, Any]]:
    """What a source says of the packages of a lock. Raises `UnreachableError`, also where it knows none of them."""
    command = [program, "--format", "json", "--progress-spinner", "off", "--require-hashes", "--disable-pip"]
    command += ["--timeout", str(_SECONDS), "--vulnerability-service", source, "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise (UnreachableError if _UNREACHABLE.search(done.stderr) else FailedError)(why) from None
    if found and all("skip_reason" in one for one in found):
        # A mirror that has files and no advisories says so of each package.
        raise UnreachableError(str(found[0]["skip_reason"]))
    return found


def say(dependencies: list[dict[str, Any]], source: str) -> int:
    """Say what is weak, and what the source does not know; 1 if anything is weak."""
    versions = {(one["name"], one.get("version")) for one in dependencies}
    weak = {(one["name"], one["version"], vuln["id"]) for one in dependencies for vuln in one.get("vulns", ())}
    for name, version, weakness in sorted(weak):
        print(f"WEAK: {name} {version}: {weakness}")
    for reason in sorted({one["skip_reason"] for one in dependencies if "skip_reason" in one}):
        print(f"NOT AUDITED: {reason}", file=sys.stderr)
    print(f"{len(versions)} packages of {len(LOCKS)} locks against {source}: {len(weak)} known weaknesses")
    return int(bool(weak))


def check_sbom() -> int:
    """Hold the SBOM to the schema of its version; the exit status."""
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ModuleNotFoundError:
        print("NOT VALIDATED: the schema of SBOMs comes with .venv-audit (make audit)", file=sys.stderr)
        return 0
    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(SBOM.read_text(encoding="utf-8"))
    print(f"{SBOM.relative_to(ROOT)}: {problem or 'valid CycloneDX 1.5'}")
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
