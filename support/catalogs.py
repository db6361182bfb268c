"""Write `data/catalogs/*.json` from clones of the two upstream repositories; their output goes to review.

usage: support/catalogs.py MACHINE_CONFIG_OPERATOR_REPO OS_REPO

Each argument is a git repository (a clone, also a bare one) of openshift/machine-config-operator and openshift/os with
their release branches. `support/releases.json` says which branches and files make which release; a new release is a new
entry there, one run of this script, and the review of its diff.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CATALOGS = HERE.parent / "src" / "layercensus" / "data" / "catalogs"
PINNED = re.compile(r"^(?P<name>[A-Za-z][\w.+-]*?)-(?P<pin>\d[\w.+~^]*-\d[\w.+~^]*)$")

# openshift/os 4.7 listed two dependencies of usbguard and the base kernel beside the extensions' own packages; neither
# was ever a reason to ask for the extension, and later releases would inherit the names as retired extensions.
NO_EXTENSION_PACKAGES = {"libqb", "protobuf", "kernel", "kernel-core", "kernel-modules", "kernel-modules-extra"}

GO_STRINGS = re.compile(r'"([^"]+)"')
GO_MAP = re.compile(r"func (?:get|)(?:S|s)upportedExtensions\(\) map\[string\]\[\]string \{(.*?)\n\}", re.DOTALL)
GO_MAP_ENTRY = re.compile(r'^\s*"([\w-]+)":\s*\{([^}]*)\},', re.MULTILINE)
GO_KERNELS = {
    "default": re.compile(r"defaultKernel\s*:?[:=]+\s*\[\]string\{([^}]*)\}"),
    "realtime": re.compile(r"realtimeKernel\s*:?[:=]+\s*\[\]string\{([^}]*)\}"),
    "64k-pages": re.compile(r"hugePagesKernel\s*:?[:=]+\s*\[\]string\{([^}]*)\}"),
}
# "RHEL10 doesn't ship with kernel-rt-kvm": 4.20 and 4.21 append the package on EL 9 alone.
GO_EL9_APPEND = re.compile(r'realtimeKernel = append\(\S*realtimeKernel, "([\w-]+)"\)')


@dataclass(frozen=True)
class Repository:
    """A git repository of which branches are read, never checked out."""

    path: Path

    def read(self, branch: str, file: str) -> str:
        """Text of a file on a branch."""
        return self._git("show", f"{branch}:{file}")

    def snapshot(self, branch: str) -> str:
        """Commit and day of a branch."""
        return self._git("log", "-1", "--format=%h of %cs", branch).strip()

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.path), *arguments], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{self.path}: {done.stderr.strip()}\nclone with all release branches, as --bare or --mirror does")
        return done.stdout


def mco_extensions(source: str) -> dict[str, list[str]]:
    """MCO's own list, extension -> packages, out of its Go map."""
    body = GO_MAP.search(source)
    if body is None:
        sys.exit("no map of supported extensions in that file: has MCO moved it?")
    return {name: GO_STRINGS.findall(packages) for name, packages in sorted(GO_MAP_ENTRY.findall(body[1]))}


def kernel_types(source: str) -> dict[str, Any]:
    """What MCO installs and removes to switch to each kernel type; `core` is its kernel."""
    lists = {
        kind: GO_STRINGS.findall(match[1]) for kind, pattern in GO_KERNELS.items() if (match := pattern.search(source))
    }
    types: dict[str, Any] = {}
    for kind in sorted(lists.keys() - {"default"}):
        core = next(name for name in lists[kind] if name.endswith("-core") and "-modules-" not in name)
        types[kind] = {"core": core, "install": lists[kind], "base_removals": lists["default"]}
    if "64k-pages" in types:
        types["64k-pages"]["arches"] = ["aarch64"]
    if appended := GO_EL9_APPEND.search(source):
        types["realtime"]["install_el10"] = lists["realtime"]
        types["realtime"]["install"] = [*lists["realtime"], appended[1]]
    return types


def os_extensions(text: str) -> dict[str, Any]:
    """The extensions of an OS stream's file, without those of kind development."""
    extensions: dict[str, Any] = {}
    for name, entry in sorted(yaml.safe_load(text)["extensions"].items()):
        if entry.get("kind", "os-extension") != "os-extension":
            continue
        kept = [package for package in entry["packages"] if package not in NO_EXTENSION_PACKAGES]
        extensions[name] = {"packages": [_package(package) for package in kept]}
        if entry.get("architectures"):
            extensions[name]["arches"] = entry["architectures"]
        if entry.get("modules", {}).get("enable"):
            extensions[name]["modules"] = entry["modules"]["enable"]
    return extensions


def _package(name: str) -> dict[str, str]:
    return match.groupdict() if (match := PINNED.match(name)) else {"name": name}


def catalog(release: str, entry: dict[str, Any], mco: Repository, os_repository: Repository) -> dict[str, Any]:
    """One release's catalog file."""
    streams = {
        stream: {"source": file, "extensions": os_extensions(os_repository.read(entry["os_branch"], file))}
        for stream, file in sorted(entry["os_files"].items())
    }
    provenance = {
        "mco": f"openshift/machine-config-operator {entry['mco_branch']}, {mco.snapshot(entry['mco_branch'])}"
    }
    if streams:
        provenance["os"] = f"openshift/os {entry['os_branch']}, {os_repository.snapshot(entry['os_branch'])}"
    return {
        "_provenance": provenance | ({"note": entry["note"]} if "note" in entry else {}),
        "release": release,
        "version_prefixes": entry["version_prefixes"],
        "default_stream": entry["default_stream"],
        "mco_extensions": mco_extensions(mco.read(entry["mco_branch"], entry["mco_list"])),
        "os_streams": streams or {entry["default_stream"]: {"source": None, "extensions": {}}},
        "kernel_types": kernel_types(mco.read(entry["mco_branch"], "pkg/daemon/update.go")),
    }


def main(mco_path: str, os_path: str) -> None:
    """Write all catalogs that `releases.json` lists."""
    releases = json.loads((HERE / "releases.json").read_text(encoding="utf-8"))["releases"]
    mco, os_repository = Repository(Path(mco_path)), Repository(Path(os_path))
    # All are read before the first is written.
    values = {release: catalog(release, entry, mco, os_repository) for release, entry in releases.items()}
    for release, value in values.items():
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        (CATALOGS / f"{release}.json").write_text(text, encoding="utf-8")
    print(f"{len(releases)} catalogs")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: support/catalogs.py MACHINE_CONFIG_OPERATOR_REPO OS_REPO", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
