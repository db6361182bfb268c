"""`layercensus manifests`: a folder for a cluster, to apply with `oc`: the agent and its rules, or rules alone."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from layercensus.cluster.kit import Platform
from layercensus.cluster.manifests import render_agent, render_kubernetes, render_mcd
from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.commands.folder import make_folder
from layercensus.errors import Fault, UsageError


def run(options: Namespace, surroundings: Surroundings) -> Output:  # noqa: ARG001 - every command has this form
    """Write the folder and say what to do next."""
    files = _render(options)
    on_kubernetes = options.platform == Platform.KUBERNETES
    end = Platform.KUBERNETES if on_kubernetes else options.release
    folder = Path(options.output or f"layercensus-{options.mode}-{end}")
    consent = "with" if options.telemetry else "without"
    make_folder(folder, files, f"mode {options.mode} for {options.platform}, {consent} telemetry")
    leaves = "as its README says, numbers leave the cluster" if options.telemetry else "nothing leaves the cluster"
    where = "Kubernetes on Fedora CoreOS" if on_kubernetes else f"OpenShift {options.release}"
    yield f"{folder}: {len(files)} files for {where}, mode {options.mode}; {leaves}\n"
    apply = f"{'kubectl' if on_kubernetes else 'oc'} apply -k {folder}"
    before = "build the image as it says, then run" if options.mode == "agent" and not options.image else "then run"
    yield f"Next: read {folder / 'README.md'}, {before}: {apply}\n"
    return EXIT_DONE


def _render(options: Namespace) -> Mapping[str, str]:
    """The files. Raises `UsageError` where options do not go together, `ClusterError` for a release without rules."""
    if options.mode == "mcd" and options.image:
        raise _wrong("--image", "mode mcd runs no image", "leave it out")
    if options.platform == Platform.KUBERNETES:
        if options.mode == "mcd":
            raise _wrong("--mode mcd", "Kubernetes has no machine config daemon", "use --mode agent")
        if options.telemetry:
            raise _wrong("--telemetry", "only OpenShift sends telemetry", "leave it out")
        if options.release:
            raise _wrong("--release", "is a release of OpenShift", "leave it out with --platform kubernetes")
        return render_kubernetes(options.image)
    if not options.release:
        raise _wrong("--release", "is missing", "name the cluster's release, like --release 4.14")
    if options.mode == "mcd":
        return render_mcd(options.release, options.telemetry)
    return render_agent(options.release, options.telemetry, options.image)


def _wrong(where: str, what: str, next_step: str) -> UsageError:
    return UsageError(what, where=where, fault=Fault.USAGE, next_step=next_step)
