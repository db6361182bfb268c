"""The first steps: gather what the build needs, build, and keep the pool from moving until the nodes are ready. Pure.

Sources: MCO `docs/UsingLayering.md` and `docs/onclusterlayering-quickstart.md`; ConfigMap `etc-yum-repos-d` and secret
`etc-pki-rpm-gpg` after MCO `pkg/controller/build/constants`.
"""

from layercensus.migrate.advising import with_advice
from layercensus.migrate.facts import on_cluster_limits
from layercensus.migrate.machine_os_config import NAMESPACE, PULL_SECRET, PUSH_SECRET
from layercensus.migrate.node_steps import CONTROL_PLANES
from layercensus.migrate.one_image import arches_of
from layercensus.migrate.plan import NOT_BROUGHT, Advice, PoolPlan, Step, Way
from layercensus.migrate.words import is_object_name, rpm_file

_TRUST = "status keeps neither RPM files nor repositories: they come from whoever gave out the RPMs, and from the nodes"
_PREVIEW = (
    "On-cluster layering is a technology preview in this release: it needs the feature set TechPreviewNoUpgrade, which "
    "can never be taken back and ends upgrades of the cluster to another minor release. Not for production"
)
# Architectures that images call otherwise than RPM does.
_PLATFORMS = {"x86_64": "amd64", "aarch64": "arm64"}
_PULLABLE = "where the machines can pull from"
_APPLY = "\\\n    --dry-run=client -o yaml | oc apply -f -"
_WORKER = "worker"
_INHERITED = (
    ". Pools of your own (infra, ...) inherit every MachineConfig of worker, this image too: pause them as well, and "
    "before you unpause one, give it a MachineConfig with an osImageURL of its own, whose name sorts after this one's, "
    "unless it is to run this image"
)
_OTHER_BASE = (
    "Nothing is built where the cluster's release has another image than these machines ran: plan again then, from "
    "documents of today"
)
_ON_CLUSTER = {Way.ON_CLUSTER, Way.ON_CLUSTER_PREVIEW}


def build_steps(plan: PoolPlan) -> list[Step]:
    """Steps up to an image that is built and not yet rolled out."""
    if plan.way is Way.MACHINE:
        return [*_gather(plan), _build(plan)]
    steps = [*_gather(plan), _pause(plan)]
    return [*steps, _build(plan)] if plan.way is Way.OFF_CLUSTER else [*steps, *_on_cluster(plan)]


def _gather(plan: PoolPlan) -> list[Step]:
    if not plan.recipe.needs_repositories and not plan.recipe.rpms:
        return []
    commands: list[str] = []
    if plan.recipe.needs_repositories:
        own = plan.way is Way.MACHINE
        shell = "ssh $HOST" if own else "oc debug node/$NODE -- chroot /host sh -c"
        commands += ("# one of these machines", "HOST=NAME") if own else first_node(plan)
        commands += [
            "mkdir -p repos keys",
            f"{shell} 'cat /etc/yum.repos.d/*.repo' > repos/nodes.repo",
            f"{shell} 'cd /etc/pki/rpm-gpg && tar -ch .' | tar -x -C keys",
        ]
        if plan.way not in _ON_CLUSTER:
            # A build on the cluster mounts them, any other copies them.
            commands += [
                "# a password that this prints would be in the image, for all who pull it",
                "grep -iE '^(username|password|proxy_password)|://[^/]*@' repos/*.repo",
            ]
    if plan.recipe.rpms:
        commands.append("mkdir -p rpms")
        commands += [f"cp FOLDER/{rpm_file(nevra)} rpms/" for nevra in plan.recipe.rpms]
        commands += ["# note the sums: these are the files you trust", "sha256sum rpms/*.rpm && rpm -K rpms/*.rpm"]
        if plan.way in _ON_CLUSTER and plan.wishes.rpm_image:
            image = plan.wishes.rpm_image
            commands.append(f"# {_PULLABLE}; PUSH.json: credentials that may push there")
            commands.append(
                f"printf 'FROM scratch\\nCOPY rpms /rpms\\n' | podman build -f - -t {image} . && \\\n"
                f"  podman push --authfile PUSH.json {image}"
            )
    return [Step("Gather what the build needs", "workstation", tuple(commands), _TRUST)]


def _pause(plan: PoolPlan) -> Step:
    pool = pool_word(plan)
    # A pool that is paused in the middle of an update stays half updated.
    pause = (
        f"oc wait mcp/{pool} --for=condition=Updated --timeout=10s && \\\n"
        f'  oc patch mcp/{pool} --type merge -p \'{{"spec":{{"paused":true}}}}\''
    )
    back = f'oc patch mcp/{pool} --type merge -p \'{{"spec":{{"paused":false}}}}\''
    why = "no node shall move before its local layer is ready for it. It gets no new certificates either: not for days"
    named = () if "$" not in pool else ("# the pool of these nodes", "POOL=NAME")
    inherited: tuple[str, ...] = ()
    if plan.way is Way.OFF_CLUSTER and plan.name in {None, _WORKER}:
        inherited = ("# pools besides master and worker: pause each of them in the same way", "oc get mcp")
        why += _INHERITED
    return Step("Pause the pool", "workstation", (*named, *health_checks(), *inherited, pause), why, back)


def health_checks() -> tuple[str, str]:
    """What would replace a node that is away for a reboot (openshift-docs, machine-health-checks-pausing)."""
    how = "# a health check may replace a node that reboots; pause each, and at the end take it back (paused-):\n"
    how += '#   oc -n openshift-machine-api annotate mhc/NAME cluster.x-k8s.io/paused=""'
    return how, "oc get machinehealthcheck -n openshift-machine-api"


def _build(plan: PoolPlan) -> Step:
    name, base = plan.base.name_in_payload, plan.base
    arches = arches_of(plan.machines)
    platform = f" --platform linux/{_PLATFORMS.get(arches[0], arches[0])}" if len(arches) == 1 else ""
    # What an earlier build left here would be taken for this one's.
    lines = ["rm -f digest machineconfig.yaml"] if plan.way is Way.OFF_CLUSTER else []
    if name:
        lines += ["umask 077", "trap 'rm -f pull-secret.json' EXIT"]
        lines += [f"BASE=$(oc adm release info --image-for={name})", *_compared(plan)]
        lines.append("oc extract -n openshift-config secret/pull-secret --to=- > pull-secret.json")
    login = " --authfile pull-secret.json" if name else ""
    argument = "" if base.reference else ' --build-arg BASE="$BASE"'
    lines.append(f'podman build{login}{platform}{argument} -f Containerfile -t "$IMAGE:latest" .')
    lines.append('podman push --authfile PUSH.json --digestfile digest "$IMAGE:latest"')
    if plan.way is Way.OFF_CLUSTER:
        lines += _machine_config_lines(plan)
    commands = [
        f"layercensus plan PATH{_options(plan)} --format containerfile > Containerfile",
        *_to_edit(plan, "Containerfile"),
        f"# {_PULLABLE}; PUSH.json: credentials that may push there",
        "IMAGE=REGISTRY/NAME",
        "( set -e\n  " + "\n  ".join(lines) + " )",
    ]
    why = "build first: as long as nothing is rolled out, nothing is at stake"
    if name and base.reference:
        why += f". {_OTHER_BASE}"
    return Step("Build the image and push it", "workstation", tuple(commands), why, "delete the image")


def _compared(plan: PoolPlan) -> list[str]:
    """The release's image is that of the documents, where these name one by its digest; else it is at least there."""
    digest = (plan.base.reference or "").partition("@")[2]
    if not digest or plan.base.is_custom:
        return ['test -n "$BASE"']
    return [f'test "${{BASE#*@}}" = {digest} \\', "  || { echo 'the release has another image' >&2; exit 1; }"]


def _machine_config_lines(plan: PoolPlan) -> list[str]:
    """Write the MachineConfig with the digest, which nobody knows before the build; none after a build that failed."""
    names = f'"{config_name(plan)}" "{pool_word(plan)}" "$IMAGE@$(cat digest)"'
    return [
        'printf \'{"apiVersion":"machineconfiguration.openshift.io/v1",',
        '  "kind":"MachineConfig", "metadata":{"name":"%s",',
        '  "labels":{"machineconfiguration.openshift.io/role":"%s"}},',
        f'  "spec":{{"osImageURL":"%s"}}}}\' {names} > machineconfig.yaml',
    ]


def config_name(plan: PoolPlan) -> str:
    """Name of the MachineConfig: that of a custom pool holds against the one of worker, which its nodes inherit.

    Up to 4.14 the last by name holds, whatever pool it is for (MCO `MergeMachineConfigs`).
    """
    is_custom = plan.name not in {None, _WORKER, *CONTROL_PLANES}
    return f"99-{'zz-' if is_custom else ''}{pool_word(plan)}-layered-image"


def _on_cluster(plan: PoolPlan) -> list[Step]:
    kind = f"-n {NAMESPACE} --type=kubernetes.io/dockerconfigjson"
    file = "\\\n    --from-file=.dockerconfigjson"
    lines = [
        "umask 077",
        "trap 'rm -f pull-secret.json' EXIT",
        "oc extract -n openshift-config secret/pull-secret --to=- > pull-secret.json",
        f"oc create secret generic {PULL_SECRET} {kind} {file}=pull-secret.json {_APPLY}",
    ]
    if not plan.wishes.push_to:
        lines.append(f"oc create imagestream os-image -n {NAMESPACE} {_APPLY}")
    commands: tuple[str, ...] = ()
    if not plan.wishes.push_secret:
        lines.append(f"oc create secret generic {PUSH_SECRET} {kind} {file}=PUSH.json {_APPLY}")
        commands = ("# PUSH.json: credentials that may push the built image, and delete it",)
    if plan.recipe.needs_repositories:
        lines += [
            f"oc create configmap etc-yum-repos-d -n {NAMESPACE} --from-file=repos/ {_APPLY}",
            f"oc create secret generic etc-pki-rpm-gpg -n {NAMESPACE} --from-file=keys/ {_APPLY}",
        ]
    commands = (*commands, "( set -e\n  " + "\n  ".join(lines) + " )")
    why = f"the build runs in the namespace of the operator, which reads these there. {on_cluster_limits()}"
    if plan.way is Way.ON_CLUSTER_PREVIEW:
        why = f"{why} {_PREVIEW}"
    build = (
        f"layercensus plan PATH{_options(plan)} --format machineosconfig > machineosconfig.yaml",
        *_to_edit(plan, "machineosconfig.yaml"),
        "oc apply -f machineosconfig.yaml",
        "# until SUCCEEDED is True; the pool is paused, so nothing moves",
        "oc get machineosbuild -w",
    )
    return [
        Step("Give the build its secrets", "workstation", commands, why, "delete what was created"),
        Step("Build the image on the cluster", "workstation", build, "build first: nothing is at stake yet",
             f"oc delete machineosconfig {pool_word(plan)}"),
    ]  # fmt: skip


def _to_edit(plan: PoolPlan, file: str) -> list[str]:
    """Who is in the file with a line that brings its files to no node, before anything is built of it."""
    items = with_advice(plan.items, Advice.IMAGE)
    stuck = [item.judged.change.requested for item in items if any(trap.trap in NOT_BROUGHT for trap in item.traps)]
    return (
        [f"# first edit {file} (TRAP in the Containerfile says how), else it brings nothing of {', '.join(stuck)}"]
        if stuck
        else []
    )


def _options(plan: PoolPlan) -> str:
    """The options without which the command would give another text, or none."""
    wishes = plan.wishes
    words = {"--pool": wishes.pool, "--push-to": wishes.push_to, "--push-secret": wishes.push_secret}
    words = {"--release": wishes.release, **words, "--rpm-image": wishes.rpm_image}
    given = [f" {name} {value}" for name, value in words.items() if value]
    flags = {"--allow-tech-preview": wishes.tech_preview, "--everything": wishes.everything}
    return "".join([*given, *(f" {name}" for name, value in flags.items() if value)])


def first_node(plan: PoolPlan) -> tuple[str, ...]:
    """Command that names a node of the pool, by hand where no document names one."""
    names = [machine.census.machine.node or "" for machine in plan.machines]
    known = next(filter(is_object_name, names), None)
    return (f"NODE={known}",) if known else ("# a node of this pool", "NODE=NAME")


def pool_word(plan: PoolPlan) -> str:
    """Name of the pool in a command; `$POOL` where nothing says it."""
    return plan.name if plan.name and is_object_name(plan.name) else "$POOL"
