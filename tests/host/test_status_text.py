"""The human text of `rpm-ostree status`: every line of facts (status-schema.md, section 4), and what pasting does to it."""

from collections.abc import Callable

import pytest

from layercensus.host.documents.document import parse_document
from layercensus.model import Census, Change, Layering, Machine, Source, Unlocked

DIGEST = "sha256:" + "5" * 64
IMAGE = f"ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@{DIGEST}"
VERSION = "414.92.202405282322-0"
HEAD = "State: idle\nDeployments:\n"
Said = tuple[str, str, str | None, bool | None]


def block(*lines: str, mark: str = "● ", version: str = VERSION) -> str:
    """A deployment as HEAD prints it; keys are right-aligned to the value column."""
    keys = [f"Digest: {DIGEST}", f"Version: {version} (2024-05-28T23:26:35Z)", *lines]
    body = []
    for line in keys:
        key, _, value = line.partition(": ")
        first, *more = value.split("\n")
        body.append(f"{key:>25}: {first}\n" + "".join(f"{'':27}{part}\n" for part in more))
    return f"{mark}{IMAGE}\n{''.join(body)}"


def said(change: Change) -> Said:
    return change.kind.value, change.requested, change.name, change.active


LINES: list[tuple[str, str, list[Said]]] = [
    ("LayeredPackages", "htop", [("install", "htop", "htop", True)]),
    ("Packages", "htop", [("install", "htop", "htop", True)]),
    (
        "LayeredPackages",
        "'gcc-c++' git 'java-1.8.0-openjdk.x86_64'\n'libc.so.6()(64bit)' 'perl(Error)'",
        [
            ("install", "gcc-c++", "gcc-c++", True),
            ("install", "git", "git", True),
            ("install", "java-1.8.0-openjdk.x86_64", "java-1.8.0-openjdk", True),
            ("install", "libc.so.6()(64bit)", None, True),
            ("install", "perl(Error)", None, True),
        ],
    ),
    ("RequestedPackages", "htop", [("install", "htop", "htop", False)]),
    ("InactiveRequests", "htop strace", [("install", "htop", "htop", False), ("install", "strace", "strace", False)]),
    (
        "LocalPackages",
        "zsh-5.8-9.el9.x86_64\n'NetworkManager-libnm-1:1.12.6-1.fc29.x86_64'",
        [
            ("install_local", "zsh-5.8-9.el9.x86_64", "zsh", True),
            ("install_local", "NetworkManager-libnm-1:1.12.6-1.fc29.x86_64", "NetworkManager-libnm", True),
        ],
    ),
    (
        "LocalForcedPackages",
        "rpmfusion-free-release-9-1.noarch",
        [("install_local_force", "rpmfusion-free-release-9-1.noarch", "rpmfusion-free-release", True)],
    ),
    (
        "RemovedBasePackages",
        "moby-engine 20.10.22-1.fc37",
        [("remove", "moby-engine", "moby-engine", True)],
    ),
    (
        "RemovedBasePackages",
        "kernel-core kernel-modules kernel 5.14.0-284.66.1.el9_2 git-core 2.39.3-1.el9_2",
        [
            ("remove", "kernel-core", "kernel-core", True),
            ("remove", "kernel-modules", "kernel-modules", True),
            ("remove", "kernel", "kernel", True),
            ("remove", "git-core", "git-core", True),
        ],
    ),
    (
        "RemovedBasePackages",
        "kernel-core kernel 4.18.0-305.49.1.el8_4, git-core 2:2.27.0-1.el8",
        [
            ("remove", "kernel-core", "kernel-core", True),
            ("remove", "kernel", "kernel", True),
            ("remove", "git-core", "git-core", True),
        ],
    ),
    ("RemovedBasePackages", "strace-4.18-1.fc26.x86_64", [("remove", "strace", "strace", True)]),
    ("InactiveBaseRemovals", "moby-engine", [("remove", "moby-engine", "moby-engine", False)]),
    (
        "LocalOverrides",
        "rpm-ostree 2021.1-3.fc33 -> 2021.1-2.fc33",
        [("replace_local", "rpm-ostree-2021.1-2.fc33", "rpm-ostree", True)],
    ),
    (
        "LocalOverrides",
        "crun 1.11-1.fc38 -> 1.11-1.el9 jansson 2.13.1-6.fc38 -> 2.14-1.el9",
        [
            ("replace_local", "crun-1.11-1.el9", "crun", True),
            ("replace_local", "jansson-2.14-1.el9", "jansson", True),
        ],
    ),
    (
        "LocalOverrides",
        "NetworkManager-libnm NetworkManager 1:1.42.8-1.fc38 -> 1:1.44.0-3.el9",
        [
            ("replace_local", "NetworkManager-libnm-1:1.44.0-3.el9", "NetworkManager-libnm", True),
            ("replace_local", "NetworkManager-1:1.44.0-3.el9", "NetworkManager", True),
        ],
    ),
    (
        "ReplacedBasePackages",
        "docker docker-common 2:1.13.1-21 -> 2:1.13.1-22, crun 1-1 -> 1-2",
        [
            ("replace_local", "docker-2:1.13.1-22", "docker", True),
            ("replace_local", "docker-common-2:1.13.1-22", "docker-common", True),
            ("replace_local", "crun-1-2", "crun", True),
        ],
    ),
    (
        "InactiveLocalOverrides",
        "openvswitch3.5-3.5.0-32.el9fdp.x86_64",
        [("replace_local", "openvswitch3.5-3.5.0-32.el9fdp.x86_64", "openvswitch3.5", False)],
    ),
    (
        "InactiveBaseReplacements",
        "podman-5:4.5.1-1.fc38.x86_64",
        [("replace_local", "podman-5:4.5.1-1.fc38.x86_64", "podman", False)],
    ),
    (
        "RemoteOverrides",
        "repo=updates\n└─ podman 5:4.5.0-1.fc38 -> 5:4.5.1-1.fc38",
        [("replace_remote", "podman", "podman", True)],
    ),
    (
        "RemoteOverrides",
        "repo=updates\n├─ podman 5:4.5.0-1.fc38 -> 5:4.5.1-1.fc38\n└─ crun 1-1 -> 1-2",
        [("replace_remote", "podman", "podman", True), ("replace_remote", "crun", "crun", True)],
    ),
    (
        "RemoteOverrides",
        "repo=updates\n|- podman 5:4.5.0-1.fc38 -> 5:4.5.1-1.fc38\n`- crun 1-1 -> 1-2",
        [("replace_remote", "podman", "podman", True), ("replace_remote", "crun", "crun", True)],
    ),
    ("LayeredModules", "cri-o:1.22/default", [("module", "cri-o:1.22/default", None, True)]),
    ("EnabledModules", "cri-o:1.22", [("module", "cri-o:1.22", None, None)]),
    ("InactiveModuleRequests", "cri-o:1.22", [("module", "cri-o:1.22", None, False)]),
    ("Diff", "1 upgraded, 1 added", []),
    ("Upgraded", "htop 3.2-1.el9 -> 3.3-1.el9\nstrace 1-1 -> 1-2", []),
    ("Added", "htop-3.3-1.el9.x86_64", []),
    ("Removed", "strace-1-1.x86_64", []),
    ("GPGSignature", "Valid signature by 6A51BBABBA3D5467B6171221809A8D7CEB10B464", []),
    ("Pinned", "yes", []),
]

MachineOf = Callable[..., Machine]


@pytest.mark.parametrize(("key", "value", "expected"), LINES, ids=[f"{key}-{i}" for i, (key, *_) in enumerate(LINES)])
def test_lines_to_changes(key: str, value: str, expected: list[Said], machine_of: MachineOf) -> None:
    machine = machine_of(HEAD + block(f"{key}: {value}"))
    assert machine.source is Source.RPM_OSTREE_TEXT
    assert machine.booted is not None
    assert sorted(map(said, machine.booted.changes), key=str) == sorted(expected, key=str)
    assert machine.problems == ()


def test_a_remote_override_names_its_repository(machine_of: MachineOf) -> None:
    text = HEAD + block(
        "RemoteOverrides: repo=copr:copr.fedorainfracloud.org:a:b\n└─ crun 1-1 -> 1-2\nrepo=updates\n└─ podman 5:4-1 -> 5:5-1"
    )
    booted = machine_of(text).booted
    assert booted is not None
    assert {change.name: change.repository for change in booted.changes} == {
        "crun": "copr:copr.fedorainfracloud.org:a:b",
        "podman": "updates",
    }


@pytest.mark.parametrize(
    ("line", "attribute", "expected"),
    [
        ("Unlocked: development", "unlocked", Unlocked.DEVELOPMENT),
        ("Unlocked: hotfix", "unlocked", Unlocked.HOTFIX),
        ("Unlocked: transient", "unlocked", Unlocked.TRANSIENT),
        ("Pinned: yes", "unlocked", Unlocked.NONE),
        ("Pinned: yes", "pinned", True),
        ("Initramfs: regenerate", "initramfs", True),
        ("Initramfs: '-I' '/etc/x'", "initramfs", True),
        ("InitramfsEtc: /etc/vconsole.conf", "initramfs", True),
        ("Pinned: yes", "initramfs", False),
        ("LiveCommit: " + "d" * 64, "live_applied", True),
        ("Pinned: yes", "live_applied", False),
        ("BaseCommit: " + "b" * 64, "base_checksum", "b" * 64),
        ("Commit: " + "b" * 64, "checksum", "b" * 64),
        ("Pinned: yes", "image", IMAGE),
        ("Pinned: yes", "version", VERSION),
        ("Pinned: yes", "image_layered", False),
    ],
    ids=str,
)
def test_flags(line: str, attribute: str, expected: object, machine_of: MachineOf) -> None:
    booted = machine_of(HEAD + block(line)).booted
    assert booted is not None
    assert getattr(booted, attribute) == expected


# Three deployments; the booted one is in the middle and alone has zsh and a removal.
PENDING = block("Diff: 1 added", "LayeredPackages: cowsay", mark="  ")
BOOTED = block("RemovedBasePackages: git-core 2.39.3-1.el9_2", "LocalPackages: zsh-5.8-9.el9.x86_64")
ROLLBACK = block("LayeredPackages: htop", mark="  ", version="414.92.202404010000-0")
PASTE = f"{HEAD}{PENDING}\n{BOOTED}\n{ROLLBACK}"


def each_line(prefix: str) -> str:
    return "".join(f"{prefix}{line}\n" for line in PASTE.splitlines())


KLOG = "I0722 08:59:48.056755    3820 daemon.go:778] "
PASTES = {
    "as it was": PASTE,
    "star where the locale is not UTF-8": PASTE.replace("●", "*"),
    "bullet read as Latin-1": PASTE.replace("●", "â—\x8f"),
    "bullet read as Windows-1252": PASTE.replace("●", "â—"),
    "bullet lost to a replacement character": PASTE.replace("●", "\ufffd"),
    "bullet lost to question marks": PASTE.replace("●", "???"),
    "CRLF": PASTE.replace("\n", "\r\n"),
    "quoted": each_line("> "),
    "quoted twice": each_line("> > "),
    "indented by four": each_line("    "),
    "prompt before and after": f"[core@node ~]$ rpm-ostree status\n{PASTE}[core@node ~]$ \n",
    "debug pod around it": f"Starting pod/x-debug ...\nsh-4.4# chroot /host\nsh-5.1# rpm-ostree status\n{PASTE}sh-5.1# exit\n",
    "klog before the first line": f"{KLOG}Run: rpm-ostree status\n{KLOG}{PASTE}{KLOG}CoreOS aleph version: x\n",
    "klog with oc timestamps": "".join(
        f"2024-05-01T10:00:00.123456789Z {line}\n" for line in f"{KLOG}{PASTE}".splitlines()
    ),
    "journal": each_line("Nov 29 22:19:06 node rpm-ostree[798]: "),
    "journal with another unit between": each_line("Nov 29 22:19:06 node rpm-ostree[798]: ").replace(
        "Nov 29 22:19:06 node rpm-ostree[798]: Deployments:",
        "Nov 29 22:19:06 node kubelet[9]: LayeredPackages: evil\nNov 29 22:19:06 node rpm-ostree[798]: Deployments:",
    ),
    "colours": PASTE.replace("●", "\x1b[1m●\x1b[22m").replace("LocalPackages", "\x1b[1mLocalPackages\x1b[0m"),
    "warning between head and list": PASTE.replace(
        "Deployments:", "warning: Failed to query journal: couldn't find current boot in journal\nDeployments:"
    ),
    "updates lines": PASTE.replace(
        "Deployments:",
        "AutomaticUpdatesDriver: Zincati\n  DriverState: active; periodically polling for updates\nDeployments:",
    ),
    "busy": PASTE.replace("State: idle", "State: busy\nTransaction: upgrade\n  Initiator: client(id:cli dbus:1.9)"),
    "no blank line between deployments": f"{HEAD}{PENDING}{BOOTED}{ROLLBACK}",
    "non-breaking blanks": PASTE.replace("    ", "\u00a0\u00a0\u00a0\u00a0"),
    "tabs for the indent of the keys": PASTE.replace("                   ", "\t\t   "),
    "index behind the header": PASTE.replace(
        f"{DIGEST}\n                   Digest", f"{DIGEST} (index: 0)\n                   Digest"
    ),
    "out of a page": f"<pre><code>{PASTE.rstrip()}</code></pre>\n".replace("->", "-&gt;").replace("'", "&#39;"),
    "a page's line ends": PASTE.replace("\n", "<br/>\n"),
    "in a ticket": f"{{noformat}}\n{PASTE.rstrip()}{{noformat}}\n",
    "in a forum": f"[code]{PASTE.rstrip()}[/code]\n",
    "a fence behind the last line": f"```text\n{PASTE.rstrip()}```\n",
    "with callouts": "".join(
        f"{line} <{n}>\n" if line.strip(" :") and line[-1] != ":" else f"{line}\n"
        for n, line in enumerate(PASTE.splitlines(), 1)
    ),
    "commas typed between names": PASTE.replace("cowsay", "cowsay,"),
    "an available update after it": f"{PASTE}\nAvailable update:\n        Version: 415.92.1\n           Diff: 1 upgraded\n",
}


@pytest.mark.parametrize("text", PASTES.values(), ids=PASTES)
def test_what_pasting_does_to_a_text_changes_nothing(text: str, machine_of: MachineOf) -> None:
    machine = machine_of(text)
    assert machine.booted is not None
    assert sorted(map(said, machine.booted.changes), key=str) == [
        ("install_local", "zsh-5.8-9.el9.x86_64", "zsh", True),
        ("remove", "git-core", "git-core", True),
    ]
    assert machine.staged is not None
    assert [change.name for change in machine.staged.changes] == ["cowsay"]
    assert machine.booted.version == VERSION


def test_with_the_bullet_lost_nothing_is_booted(census_of: Callable[..., Census]) -> None:
    census = census_of(PASTE.replace("● ", "  "))
    assert census.booted.layering is Layering.UNKNOWN
    assert any("booted" in problem for problem in census.problems)


def test_two_bullets_are_unknown(census_of: Callable[..., Census]) -> None:
    assert census_of(HEAD + BOOTED + "\n" + BOOTED).booted.layering is Layering.UNKNOWN


def test_booted_only_form(census_of: Callable[..., Census]) -> None:
    assert census_of(f"State: idle\nBootedDeployment:\n{BOOTED}").booted.layering is Layering.PACKAGES


@pytest.mark.parametrize("value", ["...", "<HIDDEN>", "[…]", "…", "***"])
@pytest.mark.parametrize("key", ["LayeredPackages", "RemovedBasePackages", "LocalPackages"])
def test_a_value_that_was_blotted_out_is_no_name_and_not_clean(
    key: str, value: str, census_of: Callable[..., Census]
) -> None:
    census = census_of(HEAD + block(f"{key}: {value}"))
    assert census.booted.layering is Layering.UNKNOWN
    assert census.booted.changes == ()
    assert census.problems


@pytest.mark.parametrize(
    "line",
    [
        "ReplacedBasePackages: runc 1.0-1.el8 =&gt; 1.0-2.el8",
        "ReplacedBasePackages: runc 1.0-1.el8 is now 1.0-2.el8",
        "LocalOverrides: runc 1.0-1.el8",
        "RemoteOverrides: podman",
        "RemoteOverrides: <HIDDEN>",
        "LayeredPackages:",
        "LayeredPackages: <1>",
    ],
)
def test_a_list_that_is_not_understood_is_not_clean(line: str, census_of: Callable[..., Census]) -> None:
    census = census_of(HEAD + block(line))
    assert census.booted.layering is Layering.UNKNOWN
    assert any("shown in part" in problem for problem in census.problems)


@pytest.mark.parametrize("behind", ["htop", " htop 'gcc-c++'", "htop-3.3-1.el9.x86_64 strace"])
def test_a_list_that_may_go_on_is_not_whole(behind: str, census_of: Callable[..., Census]) -> None:
    text = HEAD + block("LayeredPackages: usbguard")
    assert census_of(text).booted.layering is Layering.EXTENSIONS
    assert census_of(f"{text}{behind}\n").booted.layering is Layering.UNKNOWN


@pytest.mark.parametrize("behind", ["[core@node ~]$ exit", "Removing debug pod ...", "sh-5.1# ", "```", "What now?"])
def test_what_cannot_be_a_name_ends_a_list(behind: str, census_of: Callable[..., Census]) -> None:
    text = HEAD + block("LayeredPackages: usbguard")
    assert census_of(f"{text}{behind}\n").booted.layering is Layering.EXTENSIONS


def test_a_wrapped_list_goes_on_to_the_next_key(census_of: Callable[..., Census]) -> None:
    lines = "\n".join(line.strip() for line in (HEAD + block("LayeredPackages: usbguard\nhtop vim")).splitlines())
    census = census_of(f"{lines}\nUnlocked: hotfix\n")
    assert [change.change.requested for change in census.booted.changes] == ["usbguard", "htop", "vim"]
    assert census.machine.booted is not None
    assert census.machine.booted.unlocked is Unlocked.HOTFIX


@pytest.mark.parametrize("behind", ["", "\n", "[core@node ~]$ \n", "sh-5.1# exit\n"])
def test_a_line_that_may_list_changes_is_not_forgotten(behind: str, census_of: Callable[..., Census]) -> None:
    assert census_of(f"{HEAD}{block('NewOverrides: x')}{behind}").booted.layering is Layering.UNKNOWN


def test_half_of_a_list_that_is_not_understood_still_counts(census_of: Callable[..., Census]) -> None:
    line = "LocalOverrides: runc 1.0-1.el8 —> 1.0-2.el8 crun 1-1"
    census = census_of(HEAD + block(line, "LayeredPackages: htop"))
    assert census.booted.layering is Layering.PACKAGES
    assert any("shown in part" in problem for problem in census.problems)


def test_what_stands_beside_a_blotted_out_value_still_counts(census_of: Callable[..., Census]) -> None:
    census = census_of(HEAD + block("LayeredPackages: htop ..."))
    assert census.booted.layering is Layering.PACKAGES
    assert [judged.change.requested for judged in census.booted.changes] == ["htop"]
    extension = census_of(HEAD + block("LayeredPackages: usbguard ..."))
    assert extension.booted.layering is Layering.UNKNOWN


def test_a_header_without_version_digest_or_commit_is_cut(census_of: Callable[..., Census]) -> None:
    census = census_of(f"{HEAD}● {IMAGE}\n                   Pinned: yes\n")
    assert census.booted.layering is Layering.UNKNOWN


def test_a_text_that_ends_inside_a_line_is_not_clean(census_of: Callable[..., Census]) -> None:
    text = (HEAD + block("LayeredPackages: htop")).rstrip("\n")
    assert census_of(text[: text.index("htop") + 2]).booted.layering is Layering.UNKNOWN


@pytest.mark.parametrize("blanks", [4, 15, 27])
def test_a_text_that_ends_in_the_blanks_before_a_key_is_not_clean(
    blanks: int, census_of: Callable[..., Census]
) -> None:
    assert census_of(HEAD + block() + " " * blanks).booted.layering is Layering.UNKNOWN
    indented = "".join(f"    {line}\n" for line in (HEAD + block()).splitlines())
    assert census_of(f"{indented}    ").booted.layering is Layering.CLEAN


def test_a_layered_commit_whose_layers_were_cut_off_is_not_clean(census_of: Callable[..., Census]) -> None:
    cut = (HEAD + block(f"BaseCommit: {'1' * 64}")).rstrip("\n")
    assert census_of(cut).booted.layering is Layering.UNKNOWN
    assert census_of(f"{cut}\n{'Initramfs':>25}: regenerate").booted.layering is Layering.CLEAN


def test_a_text_without_a_final_newline_is_read_where_its_last_line_is_whole(census_of: Callable[..., Census]) -> None:
    clean = (HEAD + block()).rstrip("\n")
    assert census_of(clean).booted.layering is Layering.CLEAN
    rolled_back = (HEAD + BOOTED + "\n" + ROLLBACK).rstrip("\n")
    assert census_of(rolled_back).booted.layering is Layering.PACKAGES


@pytest.mark.parametrize("between", ["", "\n", "# node-2\n", "[core@node-2 ~]$ rpm-ostree status\n"])
def test_several_hosts_in_one_paste_are_several_machines(between: str) -> None:
    second = HEAD + block(version="415.92.202402130021-0")
    machines = list(parse_document(f"{PASTE}{between}{second}", "paste"))
    assert [machine.input for machine in machines] == ["paste#1", "paste#2"]
    assert [machine.booted.version if machine.booted else None for machine in machines] == [
        VERSION,
        "415.92.202402130021-0",
    ]
    assert machines[1].booted is not None
    assert machines[1].booted.changes == ()


def test_a_host_that_failed_beside_one_that_answered_is_a_machine_too() -> None:
    failure = "error: Timeout was reached\n"
    for text in (f"{PASTE}\n{failure}", f"{failure}\n{PASTE}"):
        machines = list(parse_document(text, "paste"))
        assert len(machines) == 2
        assert sum(machine.booted is None for machine in machines) == 1


# What stands around a status in a bug report: of other commands, so no host that did not answer.
SURROUNDINGS = {
    "a package that is not found": "[core@node ~]$ sudo rpm-ostree install x\nChecking out tree\nerror: Packages not found: x\n",
    "a daemon that is slow to install": "# rpm-ostree --quiet install x\nerror: Timeout was reached\n",
    "an error without its command": "When I upgrade:\n\n```\nerror: Could not depsolve transaction; 1 problem detected\n```\n",
    "a command that is not there": "$ zsh\n-bash: zsh: command not found\n",
    "another program's error": "error: cannot lock ref\n",
}


@pytest.mark.parametrize("surrounding", SURROUNDINGS.values(), ids=SURROUNDINGS)
@pytest.mark.parametrize("before", [True, False])
def test_the_error_of_another_command_is_no_machine(surrounding: str, before: bool) -> None:
    status = f"[core@node ~]$ rpm-ostree status\n{PASTE}"
    (machine,) = parse_document(surrounding + status if before else status + surrounding, "paste")
    assert machine.booted is not None
    assert len(machine.booted.changes) == 2


def test_an_error_that_no_command_stands_before_is_said() -> None:
    (machine,) = parse_document(f"{PASTE}\nerror: what is this\n", "paste")
    assert machine.problems == (
        "an error in the same text was not taken for one of rpm-ostree status: error: what is this",
    )


def test_the_warning_of_a_failed_shutdown_belongs_to_the_status() -> None:
    warning = (
        "Warning: failed to finalize previous deployment\n         error: Bootloader write config: exited with code 1\n"
        "         check `journalctl -b -1 -u ostree-finalize-staged.service`\n"
    )
    (machine,) = parse_document(PASTE.replace("Deployments:", f"{warning}Deployments:"), "paste")
    assert machine.booted is not None
    assert machine.problems == ()


@pytest.mark.parametrize(
    "failure",
    [
        "bash: line 1: rpm-ostree: command not found",
        "/bin/sh: rpm-ostree: not found",
        "sudo: rpm-ostree: command not found",
        "error: Loading sysroot: No such file or directory",
        "error: unable to create the debug pod",
        "Error from server (NotFound): nodes x not found",
    ],
)
def test_what_only_a_status_dies_of_is_another_machine(failure: str) -> None:
    machines = list(parse_document(f"{PASTE}\nnode-2:\n{failure}\n\nnode-3:\n{PASTE}", "paste"))
    assert [machine.booted is not None for machine in machines] == [True, False, True]


def asked(prompt: str, status: str) -> str:
    return f"{prompt} rpm-ostree status\n{status}{prompt} uptime\n"


@pytest.mark.parametrize("prompt", ["[core@node-1 ~]$", "core@node-1:~$ sudo", "root@node-1 [ ~ ]#"])
def test_of_one_shell_the_last_status_counts(prompt: str) -> None:
    (machine,) = parse_document(asked(prompt, HEAD + block()) + asked(prompt, PASTE), "paste")
    assert machine.booted is not None
    assert len(machine.booted.changes) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("[core@node-1 ~]$", "[core@node-2 ~]$"),
        ("[core@localhost ~]$", "[core@localhost ~]$"),
        ("sh-5.1#", "sh-5.1#"),
        ("[me@bastion ~]$ ssh node-1", "[me@bastion ~]$ ssh node-2"),
    ],
)
def test_prompts_that_do_not_name_one_host_are_two(first: str, second: str) -> None:
    assert len(list(parse_document(asked(first, HEAD + block()) + asked(second, PASTE), "paste"))) == 2


COMMIT = "1" * 64
ALONE = {
    "container": block(),
    "commit": f"* fedora:fedora/43/x86_64/iot\n{'Version':>25}: 43.1 (2026-01-01T00:00:00Z)\n{'Commit':>25}: {COMMIT}\n",
    "time": f"  ● some/branch\n{'Timestamp':>25}: 2017-04-13 23:56:23\n{'BaseCommit':>25}: {COMMIT}\n",
    "pivot": f"> * pivot://quay.io/x@{DIGEST}\n> {'CustomOrigin':>25}: Managed\n> {'Version':>25}: 48.84.1 (2021-06-23T18:21:06Z)\n",
}


@pytest.mark.parametrize("text", ALONE.values(), ids=ALONE)
def test_a_deployment_alone_is_a_status(text: str, census_of: Callable[..., Census]) -> None:
    assert census_of(text).booted.layering is Layering.CLEAN


@pytest.mark.parametrize(
    "text",
    [
        f"AvailableUpdate:\n        Version: 43.1 (2026-01-01T00:00:00Z)\n         Commit: {COMMIT}\n",
        f"The release\nVersion: 43.1\nCommit: {COMMIT}\n",
    ],
)
def test_a_version_and_a_commit_of_something_else_are_no_status(text: str) -> None:
    (machine,) = parse_document(text, "x")
    assert machine.booted is None
    assert machine.source is None


FAILURES = [
    (
        "error: This system was not booted via libostree.\nCurrently, most rpm-ostree commands only work on …\n",
        "not_applicable",
    ),
    ("error: This system was not booted via libostree; found container=oci environment variable.\n", "unknown"),
    (
        "error: Failed to activate service 'org.projectatomic.rpmostree1': timed out (service_start_timeout=25000ms)\n",
        "unknown",
    ),
    ("error: Timeout was reached\n", "unknown"),
    (
        (
            "error: Loading sysroot: Failed to invoke RegisterClient: GDBus.Error:org.freedesktop.DBus.Error.NameHasNoOwner: "
            "Could not activate remote peer: unit failed.\n"
        ),
        "unknown",
    ),
    ('error: Rejected send message, 2 matched rules; type="method_call", sender=":1.52"\n', "unknown"),
    (
        (
            "Job for rpm-ostreed.service failed because a fatal signal was delivered causing the control process to dump core.\n"
            'See "systemctl status rpm-ostreed.service" and "journalctl -xeu rpm-ostreed.service" for details.\n'
        ),
        "unknown",
    ),
]


@pytest.mark.parametrize(("text", "layering"), FAILURES)
def test_what_stands_where_a_status_should(text: str, layering: str, census_of: Callable[..., Census]) -> None:
    census = census_of(text)
    assert census.booted.layering == layering
    assert census.problems


def test_a_status_inside_an_admin_status_paste_is_not_read_as_clean(census_of: Callable[..., Census]) -> None:
    text = f"* rhcos {'c' * 64}.0\n    Version: {VERSION}\n    origin: <unknown origin type>\n"
    assert census_of(text).booted.layering is Layering.UNKNOWN


def test_the_table_of_before_mid_2016_is_unknown(census_of: Callable[..., Census]) -> None:
    text = (
        "  TIMESTAMP (UTC)         VERSION   ID             OSNAME            REFSPEC\n"
        "* 2015-08-04 13:11:09     22.55     a3ea75b6a8     fedora-atomic     fedora-atomic:fedora-atomic/f22/x86_64/docker-host\n"
    )
    assert census_of(text).booted.layering is Layering.UNKNOWN
