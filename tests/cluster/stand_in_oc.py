"""A stand-in for `oc`: answers like the real one, or fails, hangs, floods, ignores signals, as a folder tells it to.

The folder is STAND_IN_OC: `nodes.json`, `cluster.json` and `nodes/NAME.json` say how to answer; what is made in the
cluster are files below `pods/` and `namespaces/`; every call is a line of `calls`. Words, order, streams and what an
interrupt leaves are those of openshift/oc `pkg/cli/debug/debug.go` from 4.14 on. Run by its path; it imports nothing of ours.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

FOLDER = Path(os.environ["STAND_IN_OC"])


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def fail(line: str) -> None:
    say(line)
    sys.exit(1)


def read(name: str) -> dict[str, Any]:
    path = FOLDER / name
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def get_nodes(arguments: list[str]) -> None:
    cluster = read("cluster.json")
    if "get_fails" in cluster:
        fail(cluster["get_fails"])
    if cluster.get("get_hangs"):
        time.sleep(3600)
    if "nodes_text" in cluster:
        print(cluster["nodes_text"])
        return
    listed = read("nodes.json")
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("--selector")]
    for selector in chosen:
        key, _, value = selector.partition("=")
        listed["items"] = [item for item in listed["items"] if item["metadata"]["labels"].get(key) == value]
    print(json.dumps(listed))


def get_cluster_version() -> None:
    cluster = read("cluster.json")
    if "id" not in cluster:
        fail('error: the server doesn\'t have a resource type "clusterversion"')
    print(cluster["id"], end="")


def delete_namespace(name: str) -> None:
    if read("cluster.json").get("delete_fails"):
        fail(f'Error from server (Forbidden): namespaces "{name}" is forbidden')
    for pod in (FOLDER / "pods").glob(f"{name}.*"):
        pod.unlink()
    (FOLDER / "namespaces" / name).unlink(missing_ok=True)
    print(f'namespace "{name}" deleted')


class Session:
    """One debug session."""

    def __init__(self, node: str) -> None:
        self.behaviour = read(f"nodes/{node}.json")
        number = f"{os.getpid():05d}"[-5:]
        self.namespace = f"openshift-debug-{number}" if self.behaviour.get("namespace", True) else "default"
        self.pod = f"{node.replace('.', '')}-debug-{number}"

    def remove_pod(self) -> None:
        say("\nRemoving debug pod ...")
        time.sleep(self.behaviour.get("removal_seconds", 0))
        if self.behaviour.get("removal_fails"):
            say(f'error: unable to delete the debug pod "{self.pod}": pods is forbidden')
            return
        (FOLDER / "pods" / f"{self.namespace}.{self.pod}").unlink(missing_ok=True)

    def interrupted(self, number: int, frame: FrameType | None) -> None:
        """The pod goes, the namespace stays: the real one exits before it would remove that."""
        self.remove_pod()
        os._exit(1)

    def run(self) -> None:
        ignored = signal.SIG_IGN if self.behaviour.get("ignores_signals") else self.interrupted
        if self.namespace != "default":
            (FOLDER / "namespaces" / self.namespace).touch()
            say(f"Temporary namespace {self.namespace} is created for debugging node...")
        (FOLDER / "pods" / f"{self.namespace}.{self.pod}").touch()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ignored)
        say(f"Starting pod/{self.pod} ...")
        say(
            "To use host binaries, run `chroot /host`. Instead, if you need to access host namespaces, run `nsenter -a -t 1`."
        )
        for line in self.behaviour.get("says", []):
            say(line)
        with (FOLDER / "together").open("a") as stream:
            stream.write(f"{len(list((FOLDER / 'pods').iterdir()))}\n")
        time.sleep(self.behaviour.get("seconds", 0))
        sys.stdout.write(self.behaviour.get("prints", ""))
        sys.stdout.flush()
        while self.behaviour.get("floods"):
            sys.stdout.write("x" * 65_536)
        if self.behaviour.get("hangs"):
            time.sleep(3600)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.remove_pod()
        if self.namespace != "default":
            (FOLDER / "namespaces" / self.namespace).unlink()
            say(f"Temporary namespace {self.namespace} was removed.")
        if status := self.behaviour.get("status", 0):
            say("error: non-zero exit code from debug container")
            sys.exit(status)


def main(arguments: list[str]) -> None:
    with (FOLDER / "calls").open("a") as stream:
        stream.write(json.dumps(arguments) + "\n")
    match arguments:
        case ["get", "nodes", "--output=json", *rest]:
            get_nodes(rest)
        case ["get", "clusterversion", "version", "--output=jsonpath={.spec.clusterID}"]:
            get_cluster_version()
        case ["debug", node, "--", "chroot", "/host", "rpm-ostree", "status", "--json"] if node.startswith("node/"):
            name = node.removeprefix("node/")
            behaviour = read(f"nodes/{name}.json")
            if "refused" in behaviour:
                fail(behaviour["refused"])
            Session(name).run()
        case ["delete", "namespace", name, "--wait=false", "--ignore-not-found"]:
            delete_namespace(name)
        case _:
            fail(f"error: unknown command {arguments!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
