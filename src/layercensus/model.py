"""The nouns that rooms share: Machine, Deployment, Change, Judgement, Census. All frozen, all closed.

A `Machine` is what a document or a host says, before anyone judged it; a `Census` is one machine at one instant,
classified. Words are those of the field (`docs/glossary.md`); values of the enums are those of the JSON schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Layering(StrEnum):
    """The class of a machine; the order of the table in `classify.census` decides."""

    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"
    PACKAGES = "packages"
    OVERRIDES = "overrides"
    EXTENSIONS = "extensions"
    CLEAN = "clean"


class Kind(StrEnum):
    """What a change does to the base image."""

    INSTALL = "install"
    INSTALL_LOCAL = "install_local"
    INSTALL_LOCAL_FORCE = "install_local_force"
    REMOVE = "remove"
    REPLACE_LOCAL = "replace_local"
    REPLACE_REMOTE = "replace_remote"
    MODULE = "module"

    @property
    def installs(self) -> bool:
        """Whether the change adds a package (and is no override)."""
        return self in {Kind.INSTALL, Kind.INSTALL_LOCAL, Kind.INSTALL_LOCAL_FORCE}


class Form(StrEnum):
    """How a request was written."""

    NAME = "name"
    NAME_ARCH = "name_arch"
    NEVRA = "nevra"
    PROVIDE = "provide"
    PATH = "path"
    GLOB = "glob"


class Verdict(StrEnum):
    """What a change is, by the catalog of the machine's release."""

    EXTENSION = "extension"
    KERNEL_TYPE = "kernel_type"
    NON_EXTENSION = "non_extension"
    UNDETERMINED = "undetermined"


class Need(StrEnum):
    """Why a non-extension change is there."""

    AGENT = "agent"
    DRIVER = "driver"
    TOOL = "tool"
    OVERRIDE = "override"
    OTHER = "other"


class KernelType(StrEnum):
    """The kernel a machine boots, in the words of a MachineConfig."""

    DEFAULT = "default"
    REALTIME = "realtime"
    PAGES_64K = "64k-pages"


class Unlocked(StrEnum):
    """`ostree admin unlock` state of a deployment."""

    NONE = "none"
    DEVELOPMENT = "development"
    HOTFIX = "hotfix"
    TRANSIENT = "transient"


class Source(StrEnum):
    """What kind of evidence a machine was read from."""

    RPM_OSTREE_JSON = "rpm_ostree_json"
    RPM_OSTREE_TEXT = "rpm_ostree_text"
    ORIGIN = "origin"
    SYSROOT = "sysroot"
    BOOTC = "bootc"
    MCD_LOG = "mcd_log"


class Readability(StrEnum):
    """Whether a source says what the machine's state is."""

    READ = "read"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Change:
    """A request that makes a deployment more, or less, than its base image.

    `requested`: its text, without shell quotes and checksum. `name`: of the RPM; None where form (provide, path, glob)
    or kind (module) have none. `origin_key`: where it was read. `active`: True if in the deployment, False if asked for
    and not in effect, None if the source can't tell. `header_sha256`: of a local RPM, by the origin.
    """

    kind: Kind
    form: Form
    requested: str
    name: str | None
    origin_key: str
    active: bool | None
    nevra: str | None = None
    replaces: str | None = None
    repository: str | None = None
    header_sha256: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as its source shows it.

    `cut`: the source ends, or was cut or blotted out, inside this deployment: what is shown is true, what is not shown
    is not known. Flags are None where the source can't know.
    """

    booted: bool = False
    staged: bool = False
    pinned: bool = False
    cut: bool = False
    checksum: str | None = None
    base_checksum: str | None = None
    image: str | None = None
    origin: str | None = None
    custom_origin: tuple[str, str] | None = None
    osname: str | None = None
    version: str | None = None
    changes: tuple[Change, ...] = ()
    unlocked: Unlocked | None = None
    live_applied: bool | None = None
    initramfs: bool | None = None
    image_layered: bool | None = None
    bootc_incompatible: bool | None = None


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """`id` and `variant` as os-release has them; `openshift_version` only where os-release was read.

    `openshift`: the machine is of OpenShift or OKD, so that extensions exist and it may join an OpenShift share; None
    where the source shows no sign of either.
    """

    id: str | None = None
    variant: str | None = None
    version: str | None = None
    arch: str | None = None
    openshift_version: str | None = None
    openshift: bool | None = None


@dataclass(frozen=True, slots=True)
class RenderedConfig:
    """What the rendered MachineConfig on a node asks for: extension names, the kernel type, the OS image."""

    extensions: tuple[str, ...] = ()
    kernel_type: KernelType = KernelType.DEFAULT
    name: str | None = None
    os_image: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One OS instance as one source shows it, not judged.

    `booted` is the deployment that says it is booted (for an origin file, its own deployment); None if the source
    does not say. `staged` is the staged or else pending one. `dependencies` came in with the installs, where the source
    knows them; None where it does not. `rpm_vendors`: RPM name -> vendor as the package itself says, any text.
    `rendered_config`: None if it was not read. `found_in`: the file or support bundle that was read, as given.
    """

    input: str
    source: Source | None
    readability: Readability
    booted: Deployment | None = None
    staged: Deployment | None = None
    os: OperatingSystem = OperatingSystem()
    problems: tuple[str, ...] = ()
    dependencies: tuple[str, ...] | None = None
    rpm_vendors: Mapping[str, str] = field(default_factory=dict)
    rendered_config: RenderedConfig | None = None
    found_in: str | None = None
    node: str | None = None
    roles: tuple[str, ...] = ()
    pool: str | None = None
    cluster_id: str | None = None
    observed_at: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one change and the id of the rule that gave it.

    `managed`: whether the rendered MachineConfig asked for it, None if unread; `need` only on a non-extension change.
    """

    verdict: Verdict
    rule: str
    extension: str | None = None
    managed: bool | None = None
    category: str | None = None
    need: Need | None = None
    vendor: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedChange:
    """A change with its judgement."""

    change: Change
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class JudgedDeployment:
    """A deployment's class and changes, judged by the catalog of its own release."""

    layering: Layering
    release: str | None
    release_candidates: tuple[str, ...]
    kernel_type: KernelType | None
    changes: tuple[JudgedChange, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Census:
    """One machine at one instant, classified: the machine as read, its booted and its next deployment judged."""

    machine: Machine
    booted: JudgedDeployment
    staged: JudgedDeployment | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that gives no machine, and why; `lost` if one should have come of it.

    `found_in` as in `Machine`; a folder that was named and holds no machine is lost in no file.
    """

    input: str
    reason: str
    lost: bool = False
    found_in: str | None = None

    @property
    def may_be_machine(self) -> bool:
        """Whether it is a file that may be a machine which could not be read: such a one counts as unknown."""
        return self.lost and self.found_in is not None


@dataclass(frozen=True, slots=True)
class Row:
    """One cluster, one day, one signal: the wide row of the lake. Counts are of machines.

    `release` is `4.14`, or a range such as `4.19-4.21` where the evidence fits several, or None. `proxy` holds the
    counts of signal `mcd`: `none`, `unsupported`, `unknown`. `nodes_expected` is None where nobody said how many.
    """

    day: str
    cluster_id: str
    signal: str
    release: str | None
    version: str | None
    platform: str | None
    nodes: Mapping[str, int]
    needs: Mapping[str, int] = field(default_factory=dict)
    proxy: Mapping[str, int] = field(default_factory=dict)
    nodes_expected: int | None = None
    skew_seconds: float | None = None
    observed_at: str | None = None
    received_at: str | None = None
