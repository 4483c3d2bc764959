"""The names of a litellm configuration as aliases: routes, default policy, description, deadlines."""

from collections.abc import Callable, Sequence
from typing import Any

from routing.importers.errors import NotCarried, shown
from routing.importers.litellm_config import GroupAlias
from routing.importers.litellm_deployments import Deployments
from routing.importers.litellm_left_out import LONGEST_LIMIT
from routing.importers.litellm_providers import DEFAULT_TOTAL, Entry, sameness
from routing.importers.litellm_situation import Situation
from routing.importers.litellm_targets import LONGEST_NAME, Target, check_name
from routing.importers.report import Report
from routing.models import Alias

LISTED = "listed"
LONGEST_DESCRIPTION = Alias._meta.get_field("description").max_length or 0
DEADLINES = {"first_content_deadline": 300.0, "total_deadline": DEFAULT_TOTAL}  # as the columns have them

Rows = dict[str, dict[str, Any]]


def alias_row(
    targets: Sequence[Target],
    deployments: Deployments,
    existing: Entry | None,
    policy: str | None,
    report: Report,
) -> dict[str, Any]:
    """The alias that leads to the targets; `policy` is for names whose entries state an order of their own."""
    if is_ordered(targets):
        targets = sorted(targets, key=lambda target: 1 if target.entry.order is None else target.entry.order)
    row = {name: value for name, value in (existing or {}).items() if name != "name"}
    row["routes"] = _routes(targets, deployments, report)
    if description := _description(targets, report):
        row["description"] = description
    if policy and is_ordered(targets):
        row["policy"] = policy
    longest = max(deployments.limit_for(target) for target in targets)
    for name, usual in DEADLINES.items():
        row[name] = min(LONGEST_LIMIT, max(longest, row.get(name, usual)))
    return row


def is_ordered(targets: Sequence[Target]) -> bool:
    """True when an entry of the name states its place."""
    return any(target.entry.order is not None for target in targets)


def report_kept(
    name: str, targets: Sequence[Target], existing: Entry, situation: Situation, report: Report
) -> None:
    """Say that the alias keeps its routes, and which of the file's are not among them."""
    is_same = sameness(situation.catalogue, situation.surroundings)
    providers, deployments = situation.rows("providers"), situation.rows("deployments")
    routed = [deployments[route["deployment"]] for route in existing["routes"]]
    report.say("kept", f"alias {name}: it keeps its routes; --overwrite replaces them by the file's.")
    for target in targets:
        upstream = target.upstream
        if not any(
            row["model"] == upstream.model and is_same(providers[row["provider"]], upstream) for row in routed
        ):
            what = (
                f"{name}: {upstream.model} at {upstream.slug} is not among the routes that the alias keeps."
            )
            report.say("not_carried", what, target.entry.line)


def add_group_aliases(
    aliases: Sequence[GroupAlias],
    rows: Rows,
    situation: Situation,
    is_kept: Callable[[str], bool],
    report: Report,
) -> None:
    """Add to `rows` the other names of names, with the same routes."""
    for alias in aliases:
        try:
            if alias.name in rows:
                raise NotCarried("model_list has entries of this name")
            row = _copied(alias, rows, situation.rows("aliases", "name"), situation)
        except NotCarried as reason:
            what = f"model_group_alias {shown(alias.name)} ({shown(alias.target)})"
            report.say("not_carried", f"{what}: {str(reason).rstrip('.')}.", alias.line)
            continue
        if is_kept(alias.name):
            report.say("kept", f"alias {alias.name}: it stays as it is; --overwrite replaces it.")
        else:
            rows[alias.name] = row


def _copied(alias: GroupAlias, rows: Rows, present: Rows, situation: Situation) -> dict[str, Any]:
    check_name(alias.name, LONGEST_NAME, "its name")
    target = rows.get(alias.target) or present.get(alias.target)
    if target is None:
        raise NotCarried("there is no alias of the name it stands for")
    if "*" in alias.target and "*" not in alias.name:
        raise NotCarried("it stands for a pattern, and has no * itself")
    return {name: value for name, value in target.items() if name != "name"} | {"listed": alias.listed}


def _routes(targets: Sequence[Target], deployments: Deployments, report: Report) -> list[str]:
    routes: list[str] = []
    for target in targets:
        address = target.upstream.address
        for variable in address.read_now:
            report.say(
                "read_now", f"{variable}, for {address.url}; later values change nothing.", target.entry.line
            )
        slug = deployments.slug_for(target)
        if slug in routes:
            what = f"{target.entry.name}: {slug} is among its routes already; each is tried once."
            report.say("not_carried", what, target.entry.line)
        else:
            routes.append(slug)
    return routes


def _description(targets: Sequence[Target], report: Report) -> str:
    """The first one that an entry gives; an alias has no room for more."""
    described = [target for target in targets if target.entry.description]
    if not described:
        return ""
    text = _printable(described[0].entry.description)
    for target in described:
        if _printable(target.entry.description) != text:
            what = "model_info.description: an alias has one, its first entry's."
            report.say("not_carried", what, target.entry.line)
    if len(text) > LONGEST_DESCRIPTION:
        cut = f"model_info.description: cut to {LONGEST_DESCRIPTION} characters."
        report.say("not_carried", cut, described[0].entry.line)
    return text[:LONGEST_DESCRIPTION]


def _printable(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
