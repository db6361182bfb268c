"""The plan as frozen nouns: what image mode says of each machine, and what a pool has to do. No behaviour.

Words are those of `docs/glossary.md`; values of the enums are those of `data/schemas/plan-v1.schema.json`.
"""

from dataclasses import dataclass
from enum import StrEnum

from layercensus.model import Census, JudgedChange

SCHEMA = "layercensus/plan/v1"


class Answer(StrEnum):
    """What an upgrade to image mode (bootc) says of a machine as it is."""

    REFUSES = "refuses"
    ACCEPTS = "accepts"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


class Advice(StrEnum):
    """What should become of a change."""

    IMAGE = "image"
    DROP = "drop"
    OPERATOR = "operator"
    MACHINE_CONFIG = "machine_config"
    MCO = "mco"
    BY_HAND = "by_hand"


class Trap(StrEnum):
    """What breaks when a known package is put into an image."""

    OPT = "opt"
    USR_LOCAL = "usr_local"
    SCRIPTLET = "scriptlet"
    SANDBOX = "sandbox"
    KERNEL_MODULE = "kernel_module"


NOT_BROUGHT = frozenset({Trap.OPT, Trap.USR_LOCAL})


class Way(StrEnum):
    """How an image gets onto the machines of a pool."""

    OFF_CLUSTER = "off_cluster"
    ON_CLUSTER = "on_cluster"
    ON_CLUSTER_PREVIEW = "on_cluster_preview"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class KnownTrap:
    """A trap of a known package: `below` is where it installs, None where that is not known or not the matter."""

    trap: Trap
    words: str
    below: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One change of a pool's machines and what should become of it.

    `why` and `instead` are words for people; `source` is where the advice comes from. `machines`: names of those that
    have it.
    """

    judged: JudgedChange
    advice: Advice
    why: str
    instead: str | None = None
    source: str | None = None
    traps: tuple[KnownTrap, ...] = ()
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """One machine: what image mode says of it and by which entries of its origin.

    `refused_by`: group of the origin -> its entries; what stands among the facts only is in none. `differs`:
    what it has (`+`) and lacks (`-`) beside most of its pool.
    """

    census: Census
    answer: Answer
    refused_by: tuple[tuple[str, tuple[str, ...]], ...]
    why: str
    differs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The node's name where it is known, else the input."""
        return self.census.machine.node or self.census.machine.input


@dataclass(frozen=True, slots=True)
class BaseImage:
    """What a build starts from. `reference` is None where the documents name no image, or several; `why_not` says it.

    `name_in_payload`: how the release's payload calls its OS image, None outside OpenShift. `is_custom`: it is an image
    itself that was built for this cluster.
    """

    reference: str | None
    why_not: str | None
    several: tuple[str, ...] = ()
    name_in_payload: str | None = None
    is_custom: bool = False


@dataclass(frozen=True, slots=True)
class BuildTools:
    """What installs packages in a build for this OS, and what ends the build."""

    tool: str
    finish: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build does, in its order; every text in it fits the grammar of RPM names, NEVRAs and repositories.

    `replace_remote` are (repository, name). `local`, `forced` and `replace_local` are NEVRAs.
    """

    tools: BuildTools
    remove: tuple[str, ...] = ()
    replace_local: tuple[str, ...] = ()
    replace_remote: tuple[tuple[str, str], ...] = ()
    install: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to build."""
        return not (self.remove or self.replace_local or self.replace_remote or self.install or self.rpms)

    @property
    def rpms(self) -> tuple[str, ...]:
        """NEVRAs whose files the build needs beside it."""
        return tuple(dict.fromkeys((*self.replace_local, *self.local, *self.forced)))

    @property
    def needs_repositories(self) -> bool:
        """Whether the build asks a repository for anything by name."""
        return bool(self.install or self.replace_remote)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what to do, `where` (`workstation` or `each node`), with which commands, why, and how to undo it."""

    title: str
    where: str
    commands: tuple[str, ...]
    why: str
    undo: str | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """A part of the plan that is not there, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the administrator chose: see the command's options."""

    pool: str | None = None
    tech_preview: bool = False
    everything: bool = False
    push_to: str | None = None
    push_secret: str | None = None
    rpm_image: str | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """Machines that should run one image, and how they get there.

    `name`: of the machine config pool; None where nothing says it, then `label` names the folder. `releases`: those the
    machines may be of. `containerfile` and `machine_os_config` are texts to use as they are.
    """

    label: str
    name: str | None
    releases: tuple[str, ...]
    machines: tuple[MachinePlan, ...]
    items: tuple[Item, ...]
    base: BaseImage
    recipe: Recipe
    way: Way | None
    containerfile: str | None
    machine_os_config: str | None
    steps: tuple[Step, ...]
    withheld: tuple[Withheld, ...]
    unknowns: tuple[str, ...]
    wishes: Wishes

    @property
    def builds(self) -> bool:
        """Whether an image is built: of a recipe, or on the cluster of nothing but what the operator installs."""
        on_cluster = self.way in {Way.ON_CLUSTER, Way.ON_CLUSTER_PREVIEW}
        return not self.recipe.is_empty or (on_cluster and any(item.advice is Advice.MCO for item in self.items))

    def count(self, answer: Answer) -> int:
        """Count machines of which image mode says this."""
        return sum(machine.answer is answer for machine in self.machines)
