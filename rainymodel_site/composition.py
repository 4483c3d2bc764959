"""Builds a worker's services from the settings: the one place where all parts meet."""

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable
from functools import partial

import psycopg_pool
from django.conf import settings
from django.template.loader import render_to_string

from accounts.callers import CallerDirectory, Defaults, environment_keys
from accounts.key_file import KeyFile
from accounts.ledger.ledger import Ledger
from accounts.oidc.bearer import AccessTokens
from accounts.oidc.provider import provider
from accounts.site import pausing
from gateway.admit import Limits
from gateway.hosts import Hosts
from gateway.journal.journal import Journal
from gateway.lifecycle import Lifecycle
from gateway.live import Live
from gateway.metrics.shelf import Shelf
from gateway.metrics.worker import Metrics
from gateway.probes import FreeProbes
from gateway.pulse import Pulse
from gateway.record import Recorder
from gateway.request_lines import RequestLines
from gateway.services import GatewayConfig, Services
from gateway.traces import make_traces
from gateway.upstream.addresses import AddressRules
from gateway.upstream.litellm_wire import LiteLLMWire
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.sessions import Sessions
from gateway.upstream.wire import Wire
from rainymodel_site import env
from rainymodel_site.alerts.job import watch
from rainymodel_site.console.change.on_time import publish_on_time
from rainymodel_site.log_output import STANDARD_ERROR
from rainymodel_site.patience import read_patience
from routing.addresses import read_allowed
from routing.store import SnapshotStore, make_store

GATEWAY_CONNECTIONS = 4
_built: list[Services] = []


def build_services(lifecycle: Lifecycle) -> Services:
    """Everything one worker needs; nothing is opened before `Services.started`."""
    config = GatewayConfig(
        version=settings.VERSION,
        worker_id=str(uuid.uuid4()),
        dsn=settings.DATABASE_DSN,
        metrics_token=env.text("RAINYMODEL_METRICS_TOKEN"),
        worker_number=int(os.environ.get("RAINYMODEL_WORKER_NUMBER", "0")),
        max_body_bytes=env.number("RAINYMODEL_MAX_BODY_BYTES", low=1024),
        ping_seconds=env.seconds("RAINYMODEL_PING_SECONDS", 15.0) or 15.0,
        upload_seconds=read_patience().upload,
        trusted_proxies=env.number("RAINYMODEL_TRUSTED_PROXIES", high=10),
        log_days=env.number("RAINYMODEL_LOG_DAYS", low=1, high=3650),
    )
    pool = psycopg_pool.AsyncConnectionPool(
        settings.DATABASE_DSN,
        min_size=1,
        max_size=GATEWAY_CONNECTIONS,
        open=False,
        timeout=2,
        reconnect_timeout=5,  # its own back-off would stay away long after the database is back
        name="gateway",
    )
    clock, draw = time.monotonic, random.random
    store, live = make_store(pool), Live(clock, draw)
    services = Services(
        config=config,
        pool=pool,
        store=store,
        callers=build_callers(pool),
        recorder=Recorder(pool, worker=config.worker_id, journal=journal(config.worker_id)),
        live=live,
        limits=Limits(Ledger(pool, clock, time.time)),
        pulse=Pulse(config.ping_seconds, clock),
        lines=request_lines(),
        wires=build_wires(),
        hosts=Hosts(tuple(settings.ALLOWED_HOSTS)),
        lifecycle=lifecycle,
        metrics=Metrics(Shelf(settings.STATE_DIR / "metrics", config.worker_id), str(config.worker_number)),
        clock=clock,
        wall_clock=time.time,
        draw=draw,
        landing_page=landing_page,
        probes=free_probes(store, live, clock, draw),
        beside=(partial(publish_on_time, pool), partial(watch, address_rules())),
        traces=make_traces(env.text("OTEL_EXPORTER_OTLP_ENDPOINT"), settings.VERSION),
    )
    _built[:] = [services]
    return services


def serving() -> Services | None:
    """This process's services while they take requests; None in commands and tests, which have none."""
    return next((services for services in _built if not services.not_ready()), None)


def journal(worker: str) -> Journal:
    """The worker's part of the journal that all workers of this state directory share."""
    megabytes = env.number("RAINYMODEL_JOURNAL_MB", low=1, high=65_536)
    return Journal(settings.STATE_DIR / "journal", worker, megabytes * 1024 * 1024)


def free_probes(
    store: SnapshotStore, live: Live, clock: Callable[[], float], draw: Callable[[], float]
) -> FreeProbes | None:
    """What wakes upstreams with free requests, unless it is switched off."""
    if not env.switch("RAINYMODEL_FREE_PROBES"):
        return None
    return FreeProbes(Sessions(address_rules()), store, live, clock, draw)


def build_wires() -> dict[str, Wire]:
    """Every wire that is built in, with connections of its own; whoever builds them closes them."""
    sessions = Sessions(address_rules())
    return {"openai": OpenAIWire(sessions), "litellm": LiteLLMWire(sessions)}


def request_lines() -> RequestLines:
    """The lines of each request on standard error: sentences in development, JSON in production, or none."""
    write = write_lines if env.switch("RAINYMODEL_REQUEST_LINES") else None
    return RequestLines(write, as_json=settings.IS_PRODUCTION)


def write_lines(lines: bytes) -> None:
    """Whole lines to standard error; where nobody reads it any more, nothing is lost but them."""
    STANDARD_ERROR.put(lines)


def build_callers(pool: psycopg_pool.AsyncConnectionPool) -> CallerDirectory:
    """The directory of callers, with the environment's keys in it."""
    keys = environment_keys(
        env.text("RAINYMODEL_MASTER_KEY"), env.items("RAINYMODEL_API_KEYS"), env.text("LITELLM_MASTER_KEY")
    )
    defaults = Defaults(
        requests_per_minute=env.number("RAINYMODEL_KEY_REQUESTS_PER_MINUTE", low=1),
        concurrent_requests=env.number("RAINYMODEL_KEY_CONCURRENCY", low=1),
        tokens_per_minute=env.number_or_none("RAINYMODEL_KEY_TOKENS_PER_MINUTE", low=1),
        usd_per_day=env.amount("RAINYMODEL_KEY_USD_PER_DAY"),
        usd_per_month=env.amount("RAINYMODEL_KEY_USD_PER_MONTH"),
    )
    return CallerDirectory(
        pool,
        settings.KEY_PEPPER,
        keys,
        defaults,
        pausing=pausing(),
        tokens=access_tokens(),
        file=key_file(),
    )


def key_file() -> KeyFile:
    """The keys on disk for a start without the database; the first of the workers writes them."""
    is_first = int(os.environ.get("RAINYMODEL_WORKER_NUMBER", "0")) <= 1
    return KeyFile(settings.STATE_DIR / "keys", settings.KEY_PEPPER, writes=is_first)


def access_tokens() -> AccessTokens | None:
    """What verifies the sign-in provider's access tokens; None where no audience of theirs is accepted."""
    audiences = settings.OIDC_API_AUDIENCES
    return AccessTokens(provider(), audiences) if audiences and settings.OIDC_ISSUER else None


def address_rules() -> AddressRules:
    """The allowed private and plaintext upstream addresses; a bad entry ends the start."""
    return AddressRules(read_allowed(os.environ, loopback=not settings.IS_PRODUCTION))


async def landing_page(address: str) -> bytes:
    """The page a browser sees at /; `address` is how the browser reached us."""
    html = await asyncio.to_thread(
        render_to_string,
        "landing.html",
        {"version": settings.VERSION, "address": settings.PUBLIC_URL or address},
    )
    return html.encode()
