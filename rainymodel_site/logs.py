"""Logging for every process: readable lines in development, one JSON object per line in production.

structlog's loggers and the standard library's end in the same handler, so a line looks alike whoever wrote it. That
handler never waits for a reader (log_output.py).
Secrets never belong in a log line; callers pass names, not values.
"""

import asyncio
import logging
import logging.config
import sys
from typing import Any

import structlog

from rainymodel_site import env

OURS = ("accounts", "gateway", "rainymodel_site", "routing")
# uvicorn greets at INFO and warns of every broken request that a stranger sends.
QUIET = {"uvicorn": "WARNING", "uvicorn.error": "ERROR", "psycopg.pool": "ERROR", "asyncio": "WARNING"}


def configure(*, production: bool, debug: bool) -> dict[str, Any]:
    """Set structlog up; the result is a dictConfig, as Django's LOGGING is. `debug` is about our own loggers only."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    ours = {name: {"level": "DEBUG" if debug else "INFO"} for name in OURS}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*_common(), structlog.stdlib.ExtraAdder(allow=["status_code"])],
                "processors": _json() if production else _readable(),
            }
        },
        "filters": {"news": {"()": lambda: is_news}},
        "handlers": {"stderr": {"class": "rainymodel_site.log_output.OutputHandler", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        # Django's own default handlers would say everything twice, and mail errors.
        "loggers": ours
        | {name: {"level": level, "filters": ["news"]} for name, level in QUIET.items()}
        | {"django": {"level": "WARNING", "handlers": [], "propagate": True}},
    }


def start() -> None:
    """The same by the environment, for a process without Django, or before it."""
    production = env.mode() == env.PRODUCTION
    logging.config.dictConfig(configure(production=production, debug=env.switch("RAINYMODEL_DEBUG")))


def is_news(record: logging.LogRecord) -> bool:
    """False for a request that was cut at the end of a drain: uvicorn calls that an exception, we meant it."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _common() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _json() -> list[Any]:
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Local variables hold keys and prompts: names and line numbers are enough.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        structlog.processors.JSONRenderer(),
    ]


def _readable() -> list[Any]:
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        ),
    ]
