"""What the locks name, as two generated pages: licences, and an SBOM in CycloneDX 1.5. `support/docs.py` writes them.

Names, versions and hashes are those of the locks; licences are what the installed packages say of themselves, and of
what is not in the environment of the tests what `licences.json` says, with its source.
"""

import json
import re
from dataclasses import dataclass
from email.message import Message
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from uuid import UUID, uuid5

from layercensus import __version__

ROOT = Path(__file__).parents[1]
# What is installed with the program, and what only makes and tests it. Tools that look at it from outside are not here.
SHIPPED, MADE_WITH = ("all", "spark"), ("dev", "fuzz", "survey")
_PIN = re.compile(
    r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)((?:    #.*\n)*)", re.MULTILINE
)
_VIA = re.compile(r"^    # +(?:via )?([\w.-]+(?: \(pyproject\.toml[^)]*\))?)$", re.MULTILINE)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
# Classifiers of trove that are met here, in SPDX's words.
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
    "The Unlicense (Unlicense)": "Unlicense",
}
# Names that people write into the field of old.
_WRITTEN = {
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "MIT License": "MIT",
}


@dataclass(frozen=True, slots=True)
class Pinned:
    """A package of a lock; `hashes` are sha256 of the files that may be installed, `via` is who asks for it."""

    name: str
    version: str
    hashes: tuple[str, ...]
    via: frozenset[str]


def read_lock(name: str) -> dict[str, Pinned]:
    """Packages of a lock, by name."""
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    found = {
        pin[1]: Pinned(pin[1], pin[2], tuple(_HASH.findall(pin[3])), frozenset(_VIA.findall(pin[4])))
        for pin in _PIN.finditer(text)
    }
    if len(found) != len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)):
        raise SystemExit(f"locks/{name}.txt has a line that is no pinned and hashed package")
    return found


def shipped() -> dict[str, Pinned]:
    """What an extra installs with the program, and what that asks for; build tools are in the locks too, not here."""
    found: dict[str, Pinned] = {}
    for lock in SHIPPED:
        packages = read_lock(lock)
        asked = {"layercensus (pyproject.toml)"}
        while more := {name for name, one in packages.items() if one.via & asked} - asked:
            asked |= more
        found |= {name: packages[name] for name in asked & packages.keys()}
    return dict(sorted(found.items()))


def made_with() -> dict[str, Pinned]:
    """What only makes and tests it."""
    found = {name: one for lock in MADE_WITH for name, one in read_lock(lock).items()}
    return {name: found[name] for name in sorted(found) if name not in shipped()}


@cache
def licence_of(name: str) -> str:
    """A licence in SPDX's words, as the package says it."""
    known: dict[str, dict[str, str]] = json.loads((ROOT / "support" / "licences.json").read_text(encoding="utf-8"))
    if name in known:
        return known[name]["licence"]
    try:
        said: Message = metadata(name)  # type: ignore[assignment]  # it is one, and its type says less
    except PackageNotFoundError:
        raise SystemExit(f"{name} is not installed here (make .venv/dev), nor in support/licences.json") from None
    if expression := said.get("License-Expression"):
        return str(expression)
    written = str(said.get("License") or "").strip()
    trove = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or () if line.startswith("License :: ")]
    found = [_SPDX[one] for one in trove if one in _SPDX] or [_WRITTEN.get(written, written)]
    licence = " AND ".join(sorted(set(found)))
    if not licence or len(licence) > 60 or "\n" in licence:
        raise SystemExit(f"{name} does not say its licence in few words: put it into support/licences.json")
    return licence


def licences_page() -> str:
    """Every package with its version and licence."""
    about = (
        "# Licences\n\nlayercensus is under the Apache License 2.0 (`LICENSE`). The base needs Python alone. What "
        "its extras\ninstall, and what it is made and tested with, by the locks; licences as each package says them.\n"
    )
    parts = [about]
    for title, packages in (("Installed by extras", shipped()), ("Only to make and test it", made_with())):
        rows = "".join(f"| {one.name} | {one.version} | {licence_of(one.name)} |\n" for one in packages.values())
        parts.append(f"\n## {title}\n\n| package | version | licence |\n|---|---|---|\n{rows}")
    return "".join(parts)


def sbom_page() -> str:
    """The SBOM, the same for the same locks: no time, and a serial number that follows from what is in it."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{one.name}@{one.version}",
            "name": one.name,
            "version": one.version,
            "purl": f"pkg:pypi/{one.name}@{one.version}",
            "licenses": [{"expression": licence_of(one.name)}],
            # One for each file of this version that may be installed.
            "hashes": [{"alg": "SHA-256", "content": content} for content in one.hashes],
        }
        for one in shipped().values()
    ]
    ours = f"pkg:pypi/layercensus@{__version__}"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid5(UUID(int=0), json.dumps(components))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": "layercensus",
                "version": __version__,
                "purl": ours,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": components,
    }
    return json.dumps(document, indent=1) + "\n"
