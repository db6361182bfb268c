"""The nodes of a cluster through the administrator's own `oc`: a few debug pods at a time, none left behind.

Nothing but `oc` is run, never through a shell (the door is `oc_runs`). Each `oc` has a session of its own, so that a
Ctrl-C at the terminal reaches us alone: we interrupt it (SIGINT), it removes its pod, and we wait for that. What it may
leave is its temporary namespace, because an interrupted `oc` exits before it gets there (openshift/oc
`pkg/cli/debug/debug.go`, the deferred cleanup): then we delete that, as `oc` does where nobody interrupts it.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from layercensus.cluster.nodes import Node, complaint_of, parse_cluster_id, parse_nodes
from layercensus.cluster.oc_runs import Limits, OcRun, OcRuns
from layercensus.errors import ClusterError, Fault

_STATUS = ("--", "chroot", "/host", "rpm-ostree", "status", "--json")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one node printed, maybe nothing, and why that may not be all of it (None: it was asked and it answered).

    `not_applicable`: it was not asked because its OS is no rpm-ostree host.
    """

    node: Node
    text: str = ""
    reason: str | None = None
    not_applicable: bool = False


def read_nodes(oc: str, selector: str | None, limits: Limits) -> tuple[Node, ...]:
    """Nodes of the cluster that a label selector chooses, in name order. Raises `ClusterError`."""
    arguments = ["get", "nodes", "--output=json", *([f"--selector={selector}"] if selector else [])]
    run = _ask(oc, arguments, limits)
    if run.stopped or run.status != 0:
        raise ClusterError(
            f"did not list the nodes: {run.stopped or complaint_of(run.said) or f'exit status {run.status}'}",
            where=f"{oc} get nodes",
            fault=Fault.HOST,
            next_step="log in with oc login, as a user who may list and debug nodes",
        )
    return parse_nodes(run.text)


def read_cluster_id(oc: str, limits: Limits) -> str | None:
    """Id of the cluster; None where it has none (no OpenShift) or the user may not read it."""
    run = _ask(oc, ["get", "clusterversion", "version", "--output=jsonpath={.spec.clusterID}"], limits)
    return parse_cluster_id(run.text) if run.status == 0 and not run.stopped else None


def scan_nodes(
    oc: str,
    nodes: Sequence[Node],
    limits: Limits,
    *,
    tick: Callable[[int, int | None], None],
    warn: Callable[[str], None],
) -> Generator[Answer, None, None]:
    """Ask each node, `limits.at_once` at a time; answers come in the order of `nodes`.

    However it ends, no `oc` is left running: a caller that stops early waits until the pods are gone. `warn` says so,
    and what may be left. Raises `ClusterError` if `oc` can't be run, `KeyboardInterrupt` if told to stop.
    """
    answers: dict[int, Answer] = {}
    todo = deque(enumerate(nodes))
    shown = 0
    with OcRuns(oc, limits, warn) as runs:
        while shown < len(nodes):
            while todo and runs.debugging < limits.at_once:
                number, node = todo.popleft()
                if answer := _answer_unasked(node):
                    answers[number] = answer
                else:
                    runs.start(["debug", f"node/{node.name}", *_STATUS], number)
            for run in runs.wait():
                answers[run.number] = _answer(nodes[run.number], run)
            tick(shown + len(answers), len(nodes))
            while shown in answers:
                with runs.outside():
                    yield answers.pop(shown)
                shown += 1


def _answer_unasked(node: Node) -> Answer | None:
    """Answer for a node that no debug pod is made for; None for one that is to be asked."""
    if not node.is_named:
        return Answer(node, reason="was not asked: its name is none that a node can have")
    if not node.is_coreos:
        return Answer(node, reason=f"{node.os_image or 'Windows'} is no rpm-ostree host", not_applicable=True)
    return Answer(node, reason=f"was not asked: it is not ready: {node.not_ready}") if node.not_ready else None


def _answer(node: Node, run: OcRun) -> Answer:
    said = complaint_of(run.said)
    if run.stopped:
        return Answer(node, run.text, run.stopped + (f" ({said})" if said else ""))
    if run.status != 0 or not run.text.strip():
        return Answer(node, run.text, said or f"oc debug printed nothing and ended with status {run.status}")
    return Answer(node, run.text)


def _ask(oc: str, arguments: Sequence[str], limits: Limits) -> OcRun:
    """Run one short command to its end."""
    with OcRuns(oc, limits.of_a_list(), lambda _: None) as runs:
        runs.start(arguments, 0)
        while True:
            for run in runs.wait():
                return run
