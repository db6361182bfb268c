"""`layercensus scan`: what is layered on every node of a cluster, asked through the administrator's own `oc`."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from layercensus.cluster.nodes import Node
from layercensus.cluster.oc_runs import Limits
from layercensus.cluster.scan import Answer, read_cluster_id, read_nodes, scan_nodes
from layercensus.commands import Output, Surroundings
from layercensus.commands.censuses import Tally, render_censuses
from layercensus.errors import Fault, NothingToDoError
from layercensus.host.documents.document import parse_document, recognise
from layercensus.host.reading import unreadable
from layercensus.model import Machine, OperatingSystem, Readability

_SHOWN_LENGTH = 200


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Yield the table, the JSON or the metrics of all nodes in name order; return the exit status."""
    limits = Limits(at_once=options.at_once, node_seconds=options.timeout)
    nodes = read_nodes(options.oc, options.selector, limits)
    if not nodes:
        raise NothingToDoError(
            "no node was listed",
            where=options.oc,
            fault=Fault.HOST,
            next_step="see oc get nodes --selector" if options.selector else "see oc config current-context",
        )
    cluster_id = read_cluster_id(options.oc, limits)
    answers = scan_nodes(options.oc, nodes, limits, tick=surroundings.tick, warn=surroundings.warn)
    tally = Tally()
    with closing(answers):
        machines = _machines(answers, cluster_id, surroundings.now.isoformat(timespec="seconds"))
        yield from render_censuses(tally.classified(machines), tally.skipped, form=options.format)
    return tally.status()


def _machines(answers: Iterator[Answer], cluster_id: str | None, now: str) -> Iterator[Machine]:
    for answer in answers:
        node, machine = answer.node, machine_of(answer)
        yield replace(
            machine,
            os=_operating_system(machine.os, node, of_openshift=cluster_id is not None),
            node=node.name,
            roles=node.roles,
            cluster_id=cluster_id,
            observed_at=now if machine.readability is Readability.READ else None,
        )


def machine_of(answer: Answer) -> Machine:
    """Judge what a node printed: its status if there is one, else unknown with the reason that says most."""
    name, reason = answer.node.name, answer.reason
    if answer.not_applicable:
        return replace(unreadable(name, reason or ""), readability=Readability.NOT_APPLICABLE)
    machines = list(parse_document(answer.text, name)) if answer.text.strip() else []
    if len(machines) == 1 and machines[0].readability is not Readability.UNKNOWN:
        return machines[0]
    if len(machines) > 1:
        return unreadable(name, f"answered for {len(machines)} machines, which cannot be told apart")
    if machines and recognise(answer.text) is not None:
        return replace(machines[0], problems=(*machines[0].problems, reason) if reason else machines[0].problems)
    last_line = answer.text.strip().rpartition("\n")[2].strip()[:_SHOWN_LENGTH]
    return unreadable(name, ": ".join(filter(None, (reason, f"the node answered {last_line!r}" if last_line else ""))))


def _operating_system(os: OperatingSystem, node: Node, *, of_openshift: bool) -> OperatingSystem:
    """What the status leaves open, from the node's object; its release only where the cluster is an OpenShift."""
    return replace(
        os,
        version=os.version or node.os_version,
        arch=os.arch or node.arch,
        openshift_version=node.release if of_openshift else None,
        openshift=True if of_openshift else os.openshift,
    )
