"""`layercensus manifests`: rules for a cluster of a release, written to a folder, to apply with `oc`."""

from argparse import Namespace
from pathlib import Path

from layercensus.cluster.manifests import render_agent, render_mcd
from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.commands.folder import make_folder


def run(options: Namespace, surroundings: Surroundings) -> Output:  # noqa: ARG001 - every command has this form
    """Write the folder and say what to do next."""
    render = render_mcd if options.mode == "mcd" else render_agent
    files = render(options.release, telemetry=options.telemetry)
    folder = Path(options.output or f"layercensus-{options.mode}-{options.release}")
    make_folder(folder, files)
    leaves = "as its README says, numbers leave the cluster" if options.telemetry else "nothing leaves the cluster"
    yield f"{folder}: {len(files)} files for OpenShift {options.release}, mode {options.mode}; {leaves}\n"
    if options.mode == "agent":
        yield "These are the rules without the agent: until one reports from a node, that node counts as unknown.\n"
    yield f"Next: read {folder / 'README.md'}, then run: oc apply -k {folder}\n"
    return EXIT_DONE
