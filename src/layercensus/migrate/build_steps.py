"""The first steps: gather what the build needs, build, and keep the pool from moving until the nodes are ready. Pure.

Sources: MCO `docs/UsingLayering.md` and `docs/onclusterlayering-quickstart.md`; ConfigMap `etc-yum-repos-d` and secret
`etc-pki-rpm-gpg` after MCO `pkg/controller/build/constants`.
"""

from layercensus.migrate.facts import on_cluster_limits
from layercensus.migrate.machine_os_config import NAMESPACE, PULL_SECRET, PUSH_SECRET
from layercensus.migrate.one_image import arches_of
from layercensus.migrate.plan import PoolPlan, Step, Way
from layercensus.migrate.words import is_object_name, rpm_file

_TRUST = "status keeps neither RPM files nor repositories: they come from whoever gave out the RPMs, and from the nodes"
_PREVIEW = (
    "On-cluster layering is a technology preview in this release: it needs the feature set TechPreviewNoUpgrade, which "
    "can never be taken back and ends upgrades of the cluster to another minor release. Not for production"
)
# Architectures that images call otherwise than RPM does.
_PLATFORMS = {"x86_64": "amd64", "aarch64": "arm64"}
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
    shell = "sh -c" if plan.way is Way.MACHINE else "oc debug node/$NODE -- chroot /host sh -c"
    if plan.way is not Way.MACHINE:
        commands += first_node(plan)
    if plan.recipe.needs_repositories:
        commands += [
            "mkdir -p repos keys",
            f"{shell} 'cat /etc/yum.repos.d/*.repo' > repos/nodes.repo",
            f"{shell} 'cd /etc/pki/rpm-gpg && tar -c .' | tar -x -C keys",
        ]
    if plan.recipe.rpms:
        commands.append("mkdir -p rpms")
        commands += [f"cp FOLDER/{rpm_file(nevra)} rpms/" for nevra in plan.recipe.rpms]
        commands.append("sha256sum rpms/*.rpm && rpm -K rpms/*.rpm    # note the sums: these are the files you trust")
        if plan.way in _ON_CLUSTER and plan.wishes.rpm_image:
            commands.append(
                f"printf 'FROM scratch\\nCOPY rpms /rpms\\n' | podman build -f - -t {plan.wishes.rpm_image} . \\\n"
                f"  && podman push {plan.wishes.rpm_image}    # where the cluster can pull from"
            )
    return [Step("Gather what the build needs", "workstation", tuple(commands), _TRUST)]


def _pause(plan: PoolPlan) -> Step:
    pool = pool_word(plan)
    pause = f'oc patch mcp/{pool} --type merge -p \'{{"spec":{{"paused":true}}}}\''
    back = f'oc patch mcp/{pool} --type merge -p \'{{"spec":{{"paused":false}}}}\''
    why = "no node shall move before its local layer is ready for it. It gets no new certificates either: not for days"
    named = () if "$" not in pool else ("# the pool of these nodes", "POOL=NAME")
    return Step("Pause the pool", "workstation", (*named, pause), why, back)


def _build(plan: PoolPlan) -> Step:
    arches = arches_of(plan.machines)
    platform = f" --platform linux/{_PLATFORMS.get(arches[0], arches[0])}" if len(arches) == 1 else ""
    argument = platform + ("" if plan.base.reference else ' --build-arg BASE="$BASE"')
    commands = [
        "IMAGE=REGISTRY/NAME    # where the machines can pull from",
        f'podman build --authfile pull-secret.json{argument} -f Containerfile -t "$IMAGE:latest" .',
        'podman push --authfile pull-secret.json --digestfile digest "$IMAGE:latest"',
        'IMAGE="$IMAGE@$(cat digest)"',
    ]
    if plan.base.name_in_payload:
        look = f"BASE=$(oc adm release info --image-for={plan.base.name_in_payload})"
        said = "    # must be what ARG BASE says" if plan.base.reference else ""
        commands.insert(0, f"{look}{said}")
        commands.insert(1, "oc extract -n openshift-config secret/pull-secret --to=- > pull-secret.json")
    if plan.way is Way.OFF_CLUSTER:
        commands += _machine_config_commands(plan)
    why = "build first: as long as nothing is rolled out, nothing is at stake"
    return Step("Build the image and push it", "workstation", tuple(commands), why, "delete the image")


def _machine_config_commands(plan: PoolPlan) -> list[str]:
    """Write the MachineConfig with the digest, which nobody knows before the build."""
    lines = (
        'printf \'{"apiVersion":"machineconfiguration.openshift.io/v1",',
        '  "kind":"MachineConfig", "metadata":{"name":"99-%s-layered-image",',
        '  "labels":{"machineconfiguration.openshift.io/role":"%s"}},',
        f'  "spec":{{"osImageURL":"%s"}}}}\' "{pool_word(plan)}" "{pool_word(plan)}" "$IMAGE" > machineconfig.yaml',
    )
    return ["\n".join(lines)]


def _on_cluster(plan: PoolPlan) -> list[Step]:
    kind = f"-n {NAMESPACE} --type=kubernetes.io/dockerconfigjson"
    file = "\\\n  --from-file=.dockerconfigjson"
    commands = [
        "oc extract -n openshift-config secret/pull-secret --to=- > pull-secret.json",
        f"oc create secret generic {PULL_SECRET} {kind} {file}=pull-secret.json",
    ]
    if not plan.wishes.push_to:
        commands.append(f"oc create imagestream os-image -n {NAMESPACE}")
    if not plan.wishes.push_secret:
        push = f"oc create secret generic {PUSH_SECRET} {kind} {file}=PUSH.json"
        commands.append(f"{push}    # of an account that may push there, and delete")
    if plan.recipe.needs_repositories:
        commands += [
            f"oc create configmap etc-yum-repos-d -n {NAMESPACE} --from-file=repos/",
            f"oc create secret generic etc-pki-rpm-gpg -n {NAMESPACE} --from-file=keys/",
        ]
    why = f"the build runs in the namespace of the operator, which reads these there. {on_cluster_limits()}"
    if plan.way is Way.ON_CLUSTER_PREVIEW:
        why = f"{why} {_PREVIEW}"
    build = (
        f"layercensus plan PATH{_options(plan)} --format machineosconfig > machineosconfig.yaml",
        "oc apply -f machineosconfig.yaml",
        "oc get machineosbuild -w    # until SUCCEEDED is True; the pool is paused, so nothing moves",
    )
    return [
        Step("Give the build its secrets", "workstation", tuple(commands), why, "delete what was created"),
        Step("Build the image on the cluster", "workstation", build, "build first: nothing is at stake yet",
             f"oc delete machineosconfig {pool_word(plan)}"),
    ]  # fmt: skip


def _options(plan: PoolPlan) -> str:
    """The options without which the command would give another text, or none."""
    wishes = plan.wishes
    words = {"--pool": wishes.pool, "--push-to": wishes.push_to, "--push-secret": wishes.push_secret}
    words |= {"--rpm-image": wishes.rpm_image}
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
