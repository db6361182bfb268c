"""`layercensus token`: a token that lets one cluster, and no other, send its reports to a collector."""

from argparse import Namespace
from pathlib import Path
from uuid import UUID

from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.errors import Fault, UsageError
from layercensus.fleet.key_file import change_keys, read_or_make_keys, with_new_key
from layercensus.fleet.tokens import Keys, issue_token, revoke_tokens

_DAYS = 400


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Print the token and nothing else; with --revoke make those of a cluster void."""
    path = Path(options.keys)
    now = int(surroundings.now.timestamp())
    if options.revoke and (options.cluster_id or options.new_key or options.days):
        next_step = "revoke first, then issue a new token with a command of its own"
        raise UsageError(
            "goes with no other option but --keys", where="--revoke", fault=Fault.USAGE, next_step=next_step
        )
    if options.revoke:
        change_keys(path, lambda keys: revoke_tokens(keys, UUID(options.revoke), now))
        surroundings.warn(f"layercensus: token: every token of {options.revoke} issued until now is void")
        return EXIT_DONE
    if not options.cluster_id:
        next_step = "name the cluster: oc get clusterversion version -o jsonpath='{.spec.clusterID}'"
        raise UsageError("is missing", where="--cluster-id", fault=Fault.USAGE, next_step=next_step)
    keys = _keys(path, surroundings, new_key=options.new_key)
    yield f"{issue_token(keys, UUID(options.cluster_id), now, options.days or _DAYS)}\n"
    return EXIT_DONE


def _keys(path: Path, surroundings: Surroundings, *, new_key: bool) -> Keys:
    """Keys of the file, which is made if it is missing; with a new one that signs from now on, if asked for."""
    keys, made = read_or_make_keys(path)
    if made:
        surroundings.warn(f"layercensus: token: {path} was made; whoever has it can issue tokens: keep it secret")
    elif new_key:
        keys = change_keys(path, with_new_key)
    return keys
