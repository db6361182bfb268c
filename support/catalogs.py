"""Write `data/catalogs/*.json` and `data/known_packages.json` from evidence files; their output goes to review.

usage: catalogs.py EXTENSIONS.json VENDORS.json

EXTENSIONS.json holds, per release, MCO's allow-list, the OS repository's extension files and the kernel types, as read
from the release branches of openshift/machine-config-operator and openshift/os (its `_meta` names the snapshot).
VENDORS.json holds the known packages with their evidence. Step 3 of the plan reads the checkouts themselves.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "src" / "layercensus" / "data"
PINNED = re.compile(r"^(?P<name>[A-Za-z][\w.+-]*?)-(?P<pin>\d[\w.+~^]*-\d[\w.+~^]*)$")


# openshift/os 4.7 listed two dependencies of usbguard and the base kernel beside the extensions' own packages; neither
# was ever a reason to ask for the extension, and later releases would inherit the names as retired extensions.
NO_EXTENSION_PACKAGES = {"libqb", "protobuf", "kernel", "kernel-core", "kernel-modules", "kernel-modules-extra"}


def stream_of(source: str | None, rhel: str) -> str:
    """OS stream of an extensions file: `rhel-9` or `centos-10`."""
    text = source or ""
    if match := re.search(r"(?:c(\d+)s|centos-(\d+))\.yaml", text):
        return f"centos-{match[1] or match[2]}"
    if match := re.search(r"rhel-(\d+)\.\d+\.yaml", text):
        return f"rhel-{match[1]}"
    return f"rhel-{rhel.split('.', maxsplit=1)[0]}"


def packages_of(names: list[str]) -> list[dict[str, str]]:
    """Name and, where the file pins one, version-release of each package."""
    kept = [name for name in names if name not in NO_EXTENSION_PACKAGES]
    return [match.groupdict() if (match := PINNED.match(name)) else {"name": name} for name in kept]


def os_extensions(entries: dict[str, Any]) -> dict[str, Any]:
    """The extensions that an OS stream's file ships, without those of kind development."""
    return {
        name: {
            "packages": packages_of(entry["os_packages"]),
            **({"arches": entry["arches"]} if entry["arches"] else {}),
            **({"modules": entry["modules"]["enable"]} if entry.get("modules") else {}),
        }
        for name, entry in sorted(entries.items())
        if entry["in_os"] and entry["kind"] == "os-extension"
    }


def variant_extensions(variant: dict[str, list[str]], entries: dict[str, Any]) -> dict[str, Any]:
    """As `os_extensions`, for a stream of which the evidence holds names only; architectures are the main stream's."""
    return {
        name: {
            "packages": packages_of(names),
            **({"arches": entries[name]["arches"]} if entries.get(name, {}).get("arches") else {}),
        }
        for name, names in sorted(variant.items())
    }


def kernel_type(entry: dict[str, Any]) -> dict[str, Any]:
    """What MCO installs and removes to switch to a kernel type; `core` is its kernel."""
    keys = ("install", "install_el10", "base_removals", "arches")
    core = next(name for name in entry["install"] if name.endswith("-core") and "-modules-" not in name)
    return {"core": core} | {key: entry[key] for key in keys if key in entry}


def catalog(release: str, entry: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """One release's catalog file."""
    extensions = entry["extensions"]
    default = stream_of(entry["sources"]["os"], entry["rhel"])
    streams = {default: {"source": entry["sources"]["os"], "extensions": os_extensions(extensions)}}
    for source, variant in entry["os_variants"].items():
        stream = stream_of(source, entry["rhel"])
        if stream not in streams:
            streams[stream] = {"source": source, "extensions": variant_extensions(variant, extensions)}
    return {
        "_provenance": {
            "snapshot": meta["generated_from"],
            "mco": f"openshift/machine-config-operator {entry['sources']['mco']}",
            "caveats": [text for text in meta["caveats"] if re.search(rf"(?<![\d.]){re.escape(release)}(?!\d)", text)],
        },
        "release": release,
        "version_prefixes": entry["rhcos_version_prefixes"],
        "default_stream": default,
        "mco_extensions": {
            name: packages["mco_packages"] for name, packages in sorted(extensions.items()) if packages["in_mco"]
        },
        "os_streams": {name: streams[name] for name in sorted(streams)},
        "kernel_types": {name: kernel_type(kind) for name, kind in sorted(entry["kernel_types"].items())},
    }


def known_packages(vendors: list[dict[str, str]]) -> dict[str, Any]:
    """The known packages, longest glob first: the most particular one that matches holds."""
    keys = ("package_glob", "vendor", "purpose", "category", "evidence", "source", "image_mode_note")
    entries = sorted(vendors, key=lambda entry: (-len(entry["package_glob"]), entry["package_glob"]))
    return {
        "_provenance": {
            "about": "RPM names (globs, case-sensitive) that people layered, tried to layer or bake into images.",
            "evidence": {
                "ostree-layered": "seen layered",
                "ostree-attempted": "tried or requested",
                "image-layered": "in an image-layering example",
                "rpm-name": "the RPM exists; no proof that anyone layers it on CoreOS",
                "name-inferred": "the RPM's name is inferred",
            },
        },
        "packages": [{key: entry[key] for key in keys if key in entry} for entry in entries],
    }


def write(path: Path, value: object) -> None:
    """Write one data file, in the form that review reads best."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main(extensions_path: str, vendors_path: str) -> None:
    """Write all catalogs and the known packages."""
    evidence = json.loads(Path(extensions_path).read_text(encoding="utf-8"))
    meta = evidence.pop("_meta")
    for release, entry in evidence.items():
        write(DATA / "catalogs" / f"{release}.json", catalog(release, entry, meta))
    vendors = json.loads(Path(vendors_path).read_text(encoding="utf-8"))
    write(DATA / "known_packages.json", known_packages(vendors))
    print(f"{len(evidence)} catalogs, {len(vendors)} known packages")


if __name__ == "__main__":
    main(*sys.argv[1:])
