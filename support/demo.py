"""Compose the demo's machines, `data/demo/CLUSTER/MACHINE.{json,txt}`; their output goes to review.

The machines are made up. Their documents have the keys and the form that rpm-ostree of that release writes
(`docs/formats.md`); versions, digests and counts are invented.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[1] / "src" / "layercensus" / "data" / "demo"
PAYLOAD = "ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:"
CUSTOM = (
    "ostree-unverified-registry:image-registry.openshift-image-registry.svc:5000/"
    "openshift-machine-config-operator/os-images@sha256:"
)
NOT_OSTREE = (
    "error: This system was not booted via libostree.\n"
    "Currently, most rpm-ostree commands only work on ostree-based host systems.\n"
)
TIMED_OUT = (
    "error: Failed to activate service 'org.projectatomic.rpmostree1': timed out (service_start_timeout=25000ms)\n"
)

RT = ["kernel-rt-core", "kernel-rt-kvm", "kernel-rt-modules", "kernel-rt-modules-extra"]
K64 = ["kernel-64k-core", "kernel-64k-modules", "kernel-64k-modules-core", "kernel-64k-modules-extra"]
BASE_EL8 = ["kernel", "kernel-core", "kernel-modules", "kernel-modules-extra"]
BASE_EL9 = ["kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra"]


@dataclass(frozen=True)
class Spec:
    """What one deployment is to show."""

    version: str
    arch: str = "x86_64"
    custom_image: bool = False
    requested: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    removed_evr: str = "5.14.0-284.88.1.el9_2"
    replaced_local: tuple[tuple[str, str, str], ...] = ()
    inactive_replacements: tuple[str, ...] = ()
    replaced_remote: tuple[tuple[str, str, str, str], ...] = ()
    unlocked: str = "none"
    live: bool = False
    next: "Spec | None" = None
    extra: dict[str, Any] = field(default_factory=dict)


def digest(*parts: object) -> str:
    """A digest that looks like one and is always the same."""
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def image(spec: Spec) -> str:
    """Image reference of a deployment."""
    return (CUSTOM if spec.custom_image else PAYLOAD) + digest("image", spec.version, spec.custom_image)


def package(name: str, evr: str, arch: str) -> list[Any]:
    """A package as the `base-*` lists have it."""
    epoch, _, rest = evr.rpartition(":")
    version, _, release = rest.partition("-")
    return [f"{name}-{evr}.{arch}", name, int(epoch or 0), version, release, arch]


def is_layered(spec: Spec) -> bool:
    """Whether the deployment has a client-layered commit."""
    return bool(spec.requested or spec.local or spec.removed or spec.replaced_local or spec.replaced_remote)


def deployment(machine: str, spec: Spec, *, booted: bool, staged: bool) -> dict[str, Any]:
    """One element of `deployments`, as rpm-ostree 2024 writes it."""
    checksum = digest("commit", machine, spec.version, spec.requested, spec.local, staged)
    entry: dict[str, Any] = {
        "id": f"rhcos-{checksum}.0",
        "osname": "rhcos",
        "checksum": checksum,
        "serial": 0,
        "version": spec.version,
        "timestamp": 1717000000 + int(digest(machine)[:5], 16),
        "booted": booted,
        "staged": staged,
        "pinned": False,
        "unlocked": spec.unlocked,
        "container-image-reference": image(spec),
        "container-image-reference-digest": f"sha256:{image(spec).rpartition(':')[2]}",
        "packages": sorted(spec.requested),
        "base-removals": [package(name, spec.removed_evr, spec.arch) for name in spec.removed],
        "base-local-replacements": [
            [package(name, new, spec.arch), package(name, old, spec.arch)] for name, new, old in spec.replaced_local
        ],
        "base-remote-replacements": {
            f"repo={repo}": [[package(name, new, spec.arch), package(name, old, spec.arch)]]
            for repo, name, new, old in spec.replaced_remote
        },
        "requested-packages": sorted(spec.requested + spec.inactive),
        "requested-local-packages": list(spec.local),
        "requested-local-fileoverride-packages": [],
        "requested-base-removals": sorted(spec.removed),
        "requested-base-local-replacements": sorted(
            [f"{name}-{new}.{spec.arch}" for name, new, _ in spec.replaced_local] + list(spec.inactive_replacements)
        ),
        "regenerate-initramfs": False,
        "base-commit-meta": {
            "ostree.container.image-config": json.dumps(
                {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[spec.arch], "os": "linux"}
            ),
            "ostree.importer.version": "0.14.5",
        },
    }
    if spec.replaced_remote:
        entry["requested-base-remote-replacements"] = [
            [f"repo={repo}", [name]] for repo, name, _, _ in spec.replaced_remote
        ]
    if is_layered(spec):
        entry["base-checksum"] = digest("base", spec.version)
    if spec.live:
        entry["live-replaced"] = digest("live", machine)
    return entry


def as_json(machine: str, spec: Spec) -> str:
    """Status document of a machine."""
    deployments = [deployment(machine, spec, booted=True, staged=False)]
    if spec.next:
        deployments.insert(0, deployment(machine, spec.next, booted=False, staged=True))
    document = {"deployments": deployments, "transaction": None, "cached-update": None, "update-driver": None}
    return json.dumps(document, indent=2) + "\n"


def text_block(spec: Spec, *, booted: bool) -> str:
    """One deployment of the text form."""
    lines = [
        ("Digest", f"sha256:{image(spec).rpartition(':')[2]}"),
        ("Version", f"{spec.version} (2024-06-03T09:12:44Z)"),
    ]
    if spec.removed:
        lines.append(("RemovedBasePackages", " ".join([*spec.removed, spec.removed_evr])))
    if spec.replaced_local:
        groups = " ".join(f"{name} {old} -> {new}" for name, new, old in spec.replaced_local)
        lines.append(("LocalOverrides", groups))
    if spec.requested:
        lines.append(("LayeredPackages", " ".join(spec.requested)))
    if spec.local:
        lines.append(("LocalPackages", " ".join(spec.local)))
    if spec.unlocked != "none":
        lines.append(("Unlocked", spec.unlocked))
    body = "".join(f"{key:>25}: {value}\n" for key, value in lines)
    return f"{'*' if booted else ' '} {image(spec)}\n{body}"


def as_text(spec: Spec) -> str:
    """Status text of a machine, as a shell of `oc debug node` shows it."""
    blocks = [text_block(spec.next, booted=False)] if spec.next else []
    blocks.append(text_block(spec, booted=True))
    return "State: idle\nDeployments:\n" + "\n".join(blocks)


V412 = Spec("412.86.202406041028-0", removed_evr="4.18.0-372.105.1.el8_6")
V413 = Spec("413.92.202405281402-0")
V414 = Spec("414.92.202406031115-0")
V415 = Spec("415.92.202405290904-0", arch="aarch64")
V416 = Spec("416.94.202407171205-0", removed_evr="5.14.0-427.26.1.el9_4")
V417 = Spec("417.94.202411050937-0", removed_evr="5.14.0-427.42.1.el9_4")
V418 = Spec("418.94.202502181123-0", removed_evr="5.14.0-427.55.1.el9_4")
V419 = Spec("9.6.20250624-0", removed_evr="5.14.0-570.22.1.el9_6")
V420 = Spec("9.6.20251014-0", removed_evr="5.14.0-570.49.1.el9_6")
V421 = Spec("9.6.20260203-0", removed_evr="5.14.0-570.81.1.el9_6")

FALCON_EL8 = ("falcon-sensor-7.11.0-16404.el8.x86_64",)
FALCON_EL9 = ("falcon-sensor-7.16.0-16903.el9.x86_64",)

JSON_MACHINES: dict[str, dict[str, Spec]] = {
    "bluejay": {
        "master-0": V412,
        "master-1": V412,
        "worker-0": replace(V412, requested=tuple(RT), removed=tuple(BASE_EL8)),
    },
    "heron": {
        "master-0": V413,
        "worker-0": V413,
        "worker-1": replace(V413, requested=("htop", "tcpdump")),
        "worker-2": replace(V413, next=replace(V413, requested=("strace",))),
    },
    "osprey": {
        "master-0": V414,
        "master-1": V414,
        "master-2": V414,
        "worker-0": replace(V414, requested=("NetworkManager-libreswan", "libreswan")),
        "worker-1": replace(V414, local=FALCON_EL9, requested=("NetworkManager-libreswan", "libreswan")),
    },
    "plover": {
        "master-0": V414,
        "worker-0": replace(V414, requested=("usbguard",)),
        "worker-1": replace(V414, removed=("nfs-utils",), removed_evr="1:2.5.4-18.el9"),
        "worker-2": replace(V414, requested=("crun-wasm",)),
        "worker-3": replace(V414, requested=("kata-containers",)),
    },
    "curlew": {
        "master-0": V415,
        "worker-0": replace(V415, requested=tuple(K64), removed=tuple(BASE_EL9)),
        "worker-1": replace(V415, requested=tuple(K64), removed=tuple(BASE_EL9)),
    },
    "dunlin": {
        "master-0": V416,
        "worker-0": replace(V416, requested=("krb5-workstation", "libkadm5")),
        "worker-1": replace(
            V416,
            replaced_local=tuple((name, "5.14.0-427.26.1.el9_4.hotfix1", "5.14.0-427.26.1.el9_4") for name in BASE_EL9),
        ),
    },
    "avocet": {
        "master-0": V417,
        "worker-0": replace(V417, custom_image=True),
        "worker-1": replace(V417, custom_image=True),
        "worker-2": replace(
            V417, requested=tuple(RT), removed=tuple(BASE_EL9), local=("qualys-cloud-agent-7.1.0-37.x86_64",)
        ),
    },
    "godwit": {
        "master-0": V418,
        "worker-0": replace(V418, requested=("sysstat",)),
        "worker-1": replace(
            V418, replaced_remote=(("baseos", "vim-minimal", "2:8.2.2637-22.el9", "2:8.2.2637-20.el9_1"),)
        ),
    },
    "turnstone": {"master-0": V418, "worker-0": V418, "worker-1": V418},
    "sanderling": {
        "master-0": replace(V419, requested=("fence-agents-all", "pacemaker", "pcs")),
        "master-1": replace(V419, requested=("fence-agents-all", "pacemaker", "pcs")),
    },
    "knot": {
        "master-0": V419,
        "worker-0": replace(V419, requested=("NetworkManager-libreswan", "libreswan", "openvswitch3.5-ipsec")),
        "worker-1": V419,
    },
    "whimbrel": {
        "master-0": V420,
        "worker-0": replace(V420, requested=tuple(RT), removed=tuple(BASE_EL9)),
        "worker-1": replace(
            V420, local=("gpfs.base-5.2.1-1.x86_64", "gpfs.gplbin-5.14.0-570.49.1.el9_6.x86_64-5.2.1-1.x86_64")
        ),
    },
    "redshank": {
        "master-0": V421,
        "worker-0": replace(V421, requested=("kernel-devel", "kernel-headers")),
        "worker-1": replace(V421, unlocked="development"),
        "worker-2": replace(V421, inactive_replacements=("openvswitch3.5-3.5.0-41.el9fdp.x86_64",)),
    },
}
TEXT_MACHINES: dict[str, dict[str, Spec]] = {
    "bluejay": {"worker-1": V412, "worker-2": replace(V412, local=FALCON_EL8)},
    "osprey": {"worker-2": replace(V414, local=FALCON_EL9)},
    "turnstone": {"worker-2": V418},
    "phalarope": {
        "master-0": V421,
        "worker-0": V421,
        "worker-1": replace(V421, requested=("iotop", "tcpdump"), next=V421),
    },
}


def main() -> None:
    """Write all of them anew."""
    shutil.rmtree(DEMO, ignore_errors=True)
    files = {f"{c}/{m}.json": as_json(f"{c}/{m}", spec) for c, ms in JSON_MACHINES.items() for m, spec in ms.items()}
    files |= {f"{c}/{m}.txt": as_text(spec) for c, ms in TEXT_MACHINES.items() for m, spec in ms.items()}
    files["osprey/worker-3.txt"] = TIMED_OUT
    files["godwit/rhel-worker-0.txt"] = NOT_OSTREE
    whole = as_json("dunlin/worker-2", V416)
    files["dunlin/worker-2.json"] = whole[: len(whole) // 2]
    for name, text in files.items():
        path = DEMO / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(files)} machines in {len({name.partition('/')[0] for name in files})} clusters")


if __name__ == "__main__":
    main()
