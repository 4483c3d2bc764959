"""What an alias can do at most, in litellm's words: clients size their context and choose their tools by it."""

from collections.abc import Iterable
from typing import Any

from routing.engine.snapshot import Alias, Deployment

# litellm's flag → our capability.
FLAGS = {
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "json_schema",
    "supports_audio_input": "audio",
    "supports_reasoning": "reasoning",
}
MILLION = 1_000_000


def model_info(aliases: Iterable[Alias], time: float) -> dict[str, Any]:
    """litellm's list; prices in USD per token, in force at `time` (seconds since 1970)."""
    return {"data": [entry_of(alias, time) for alias in aliases]}


def entry_of(alias: Alias, time: float) -> dict[str, Any]:
    """One alias: the most that any upstream of it that is set up can take and do; prices of the first one."""
    deployments = callable_deployments(alias)
    able = frozenset[str]().union(*(deployment.capabilities for deployment in deployments))
    window = largest(deployment.context_window for deployment in deployments)
    output = largest(deployment.output_limit for deployment in deployments)
    info: dict[str, Any] = {
        "id": alias.name,
        "mode": mode_of(deployments),
        "litellm_provider": "rainymodel",
        "max_tokens": output,
        "max_input_tokens": window,
        "max_output_tokens": output,
        **{flag: capability in able for flag, capability in FLAGS.items()},
        **(prices_of(deployments[0], time) if deployments else {}),
    }
    return {"model_name": alias.name, "litellm_params": {"model": alias.name}, "model_info": info}


def callable_deployments(alias: Alias) -> list[Deployment]:
    """The deployments of the alias that are on, at providers that are set up here."""
    routes = (route for route in alias.routes if route.enabled and route.deployment.enabled)
    return [route.deployment for route in routes if route.deployment.provider.unready is None]


def largest(sizes: Iterable[int | None]) -> int | None:
    """The largest size that is known."""
    return max((size for size in sizes if size is not None), default=None)


def mode_of(deployments: list[Deployment]) -> str:
    """`embedding` where nothing else is offered, else `chat`."""
    only = {"embeddings"}
    return "embedding" if deployments and all(d.dialects == only for d in deployments) else "chat"


def prices_of(deployment: Deployment, time: float) -> dict[str, float | None]:
    """USD per token, None where nobody knows."""
    price = deployment.price_at(time)
    return {
        "input_cost_per_token": None
        if price is None or price.input is None
        else float(price.input) / MILLION,
        "output_cost_per_token": (
            None if price is None or price.output is None else float(price.output) / MILLION
        ),
    }
