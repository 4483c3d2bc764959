"""What the scripted upstream can play. Importing this package registers every scenario."""

from gateway.upstream.scripted.scenarios import (
    answers,
    bodies,
    events,
    recorded,
    refusals,
    spellings,
    streams,
    turns,
    verbatim,
)
from gateway.upstream.scripted.scenarios.registry import (
    Role,
    UnknownSetting,
    cast,
    describe_scenarios,
    scenario_names,
)

__all__ = [
    "Role",
    "UnknownSetting",
    "answers",
    "bodies",
    "cast",
    "describe_scenarios",
    "events",
    "recorded",
    "refusals",
    "scenario_names",
    "spellings",
    "streams",
    "turns",
    "verbatim",
]
