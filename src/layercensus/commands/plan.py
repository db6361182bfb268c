"""`layercensus plan`: from local layers to an image, for machines of documents; or what a fleet would gain."""

from argparse import Namespace
from collections.abc import Iterator, Sequence

from layercensus.commands import EXIT_DONE, EXIT_PARTIAL, Output, Surroundings
from layercensus.commands.asked_release import AskedRelease
from layercensus.commands.censuses import Tally
from layercensus.commands.paths import check_paths, warn_missing
from layercensus.errors import Fault, NothingToDoError, UsageError
from layercensus.host.captures import count_files, read_captures
from layercensus.migrate.left_open import open_points, open_words
from layercensus.migrate.plan import PoolPlan, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.migrate.render_json import format_plan_json
from layercensus.migrate.render_text import plan_lines
from layercensus.model import Machine, Skipped

_NOTHING_FOUND = "no host document was found; save `rpm-ostree status --json` of each machine there"
# Options that go with documents only, and what they are when they are not given.
_OF_PATHS = {
    "release": None, "pool": None, "allow_tech_preview": False, "everything": False, "push_to": None,
    "push_secret": None, "rpm_image": None,
}  # fmt: skip

_OF_CLUSTER_BUILDS = ("allow_tech_preview", "push_to", "push_secret", "rpm_image")


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Yield the plan in the format asked for."""
    if bool(options.paths) == bool(options.lake):
        what = "both PATH and --lake are given" if options.paths else "neither PATH nor --lake is given"
        raise UsageError(what, fault=Fault.USAGE, next_step="name documents of machines, or a lake")
    if options.lake:
        return (yield from _of_fleet(options, surroundings))
    check_paths(options.paths)
    warn_missing(options.paths, surroundings.warn)
    tally = Tally()
    release = AskedRelease(options.release)
    censuses = list(release.through(tally.classified(_items(options, surroundings), release=options.release)))
    for item in tally.skipped:
        if item.lost or options.format in {"containerfile", "machineosconfig"}:
            surroundings.warn(f"layercensus: {item.input}: skipped: {item.reason}")
    if not censuses:
        raise NothingToDoError(_NOTHING_FOUND, where=" ".join(options.paths))
    plans = make_plans(censuses, _wishes(options))
    for line in (*release.lines(), *_unused(options, plans)):
        surroundings.warn(f"layercensus: plan: {line}")
    yield from _render(plans, tally.skipped, options.format)
    points = open_points(plans, lost=sum(item.lost for item in tally.skipped), form=options.format)
    if points:
        surroundings.warn(f"layercensus: plan: status {EXIT_PARTIAL}: {open_words(points)}")
    return EXIT_PARTIAL if points else EXIT_DONE


def _items(options: Namespace, surroundings: Surroundings) -> Iterator[Machine | Skipped]:
    total = count_files(options.paths) if surroundings.shows_progress else None
    for done, item in enumerate(read_captures(options.paths, surroundings.stdin)):
        surroundings.tick(done, total)
        yield item


def _wishes(options: Namespace) -> Wishes:
    return Wishes(
        pool=options.pool,
        tech_preview=options.allow_tech_preview,
        everything=options.everything,
        push_to=options.push_to,
        push_secret=options.push_secret,
        rpm_image=options.rpm_image,
        release=options.release,
    )


def _unused(options: Namespace, plans: Sequence[PoolPlan]) -> Iterator[str]:
    """Options of a build on the cluster where none comes of these machines."""
    if any(plan.machine_os_config for plan in plans):
        return
    for name in _OF_CLUSTER_BUILDS:
        if getattr(options, name):
            yield f"--{name.replace('_', '-')}: changes nothing: these machines get no MachineOSConfig"


def _render(plans: Sequence[PoolPlan], skipped: Sequence[Skipped], form: str) -> Iterator[str]:
    if form == "json":
        return format_plan_json(plans, skipped)
    if form == "text":
        return plan_lines(plans, skipped)
    return iter([_only(plans, form)])


def _only(plans: Sequence[PoolPlan], form: str) -> str:
    """The one Containerfile or MachineOSConfig of these plans.

    Raises `NothingToDoError` where there is none, with the reason; `UsageError` where several pools have one.
    """
    what = {"containerfile": "Containerfile", "machineosconfig": "MachineOSConfig"}[form]
    texts = {plan.label: text for plan in plans if (text := _text_of(plan, form))}
    if len(texts) > 1 and form == "containerfile":
        labels = ", ".join(texts)
        next_step = "give the documents of one pool, or --pool NAME where they are of one"
        raise UsageError(f"{len(texts)} pools have one: {labels}", f"--format {form}", Fault.USAGE, next_step)
    if texts:
        return "---\n".join(texts.values())
    reasons = [part.why for plan in plans for part in plan.withheld if part.what == what]
    unread = [why for plan in plans for why in plan.unknowns] if not reasons else []
    why = (reasons or unread or ["nothing that these machines layer has to go into an image"])[0]
    raise NothingToDoError(f"no {what}: {why}", where=plans[0].label, next_step="--format text says more")


def _text_of(plan: PoolPlan, form: str) -> str | None:
    return plan.containerfile if form == "containerfile" else plan.machine_os_config


def _of_fleet(options: Namespace, surroundings: Surroundings) -> Output:
    for name, default in _OF_PATHS.items():
        if getattr(options, name) != default:
            raise UsageError("goes with PATH", where=f"--{name.replace('_', '-')}", fault=Fault.USAGE)
    try:
        from layercensus.commands import plan_fleet
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("layercensus"):
            raise
        what = f"it needs the library {error.name}, which the base does not bring"
        raise UsageError(what, "--lake", Fault.USAGE, "in its checkout: pip install '.[report]'") from error
    return (yield from plan_fleet.run(options, surroundings))
