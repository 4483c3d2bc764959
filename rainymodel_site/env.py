"""Every environment variable the project reads, declared once, read through parsers that fail loudly.

`docs/configuration.md` and `.env.example` are compared with VARIABLES by a test. A secret may also be given as a
file: `NAME_FILE=/path` stands for `NAME` holding the file's first line.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parent.parent
DEVELOPMENT, PRODUCTION = "development", "production"
EXAMPLE_VALUES = frozenset(
    {"sk-rm-your-master-key-here", "sk-rm-orcide-default", "changeme"}
    | {"sk-1234", "sk-12345", "sk-123456", "sk-xxx", "sk-litellm-master-key", "sk-your-master-key"}
)


class ConfigurationError(SystemExit):
    """A variable that cannot be read; the message is one sentence that names it, and ends the start."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: `kind` is text, number, number or none, amount, seconds, switch, list, path or secret; `mode` says where it matters."""

    name: str
    kind: str
    default: str
    meaning: str
    mode: str = "both"


VARIABLES = (
    Variable("RAINYMODEL_ENV", "text", "", "`development` (set by `make run`) or `production`; unset means production, or development where `make run` has kept its secrets."),
    Variable("RAINYMODEL_STATE_DIR", "path", "var", "Directory for the embedded Postgres, generated secrets and the last good snapshot."),
    Variable("DATABASE_URL", "secret", "", "Postgres to use; unset, an embedded Postgres runs under the state directory (development only)."),
    Variable("DATABASE_TLS", "text", "prefer", "Postgres TLS: `disable`, `prefer`, `require` or `verify-full`."),
    Variable("HOST", "text", "127.0.0.1", "Address to listen on; the image listens on 0.0.0.0."),
    Variable("PORT", "number", "8080", "Port to listen on."),
    Variable("WEB_WORKERS", "number", "1", "Worker processes that serve requests."),
    Variable("RAINYMODEL_REQUEST_LINES", "switch", "true", "Lines for each request in the process's output: the routing decision, each request out, each answer back. JSON in production."),
    Variable("RAINYMODEL_FREE_PROBES", "switch", "true", "Lists of models (free GET requests) are asked for to find out whether an upstream on hold is back; `false` never asks by itself."),
    Variable("RAINYMODEL_DEBUG", "switch", "false", "`true` raises our own log level to DEBUG, nothing else."),
    Variable("DJANGO_SECRET_KEY", "secret", "", "Django's signing key, 50 random characters or more.", "production"),
    Variable("RAINYMODEL_KEY_PEPPER", "secret", "", "Pepper of the API key hashes, 32 random characters or more; changing it makes every key invalid.", "production"),
    Variable("RAINYMODEL_SECRET_KEYS", "secret", "", "Key ring that seals provider secrets: base64 keys of 32 bytes, comma-separated; the first seals, all open.", "production"),
    Variable("RAINYMODEL_MASTER_KEY", "secret", "", "An API key with operator rights, taken from the environment."),
    Variable("RAINYMODEL_API_KEYS", "secret", "", "Further service API keys, comma-separated."),
    Variable("RAINYMODEL_METRICS_TOKEN", "secret", "", "What `GET /metrics` wants as a bearer token; unset, there are no metrics."),
    Variable("LITELLM_MASTER_KEY", "secret", "", "A further service API key: the one that clients of a litellm proxy have."),
    Variable("OIDC_ISSUER", "text", "https://login.orcest.ai", "The sign-in provider, exactly as its tokens name it; https in production."),
    Variable("OIDC_CLIENT_ID", "text", "rainymodel", "What this server is called at the sign-in provider."),
    Variable("OIDC_CLIENT_SECRET", "secret", "", "The client's secret; unset, there is no single sign-on."),
    Variable("OIDC_API_AUDIENCES", "list", "", "Audiences whose access tokens of the sign-in provider may call the API, comma-separated; unset, none may."),
    Variable("RAINYMODEL_KEY_PAUSE_DAYS", "number", "30", "Days after its owner's last sign-in until a personal key pauses; 0 is never."),
    Variable("RAINYMODEL_PUBLIC_URL", "text", "", "The address users see, e.g. https://rm.orcest.ai; unset, the listening address."),
    Variable("RAINYMODEL_ALLOWED_HOSTS", "list", "", "Host names answered to, comma-separated; unset means localhost in development and the host of RAINYMODEL_PUBLIC_URL."),
    Variable("RAINYMODEL_TRUSTED_PROXIES", "number", "0", "How many proxies in front append to X-Forwarded-For."),
    Variable("RAINYMODEL_MAX_BODY_BYTES", "number", "10485760", "Largest accepted request body in bytes."),
    Variable("RAINYMODEL_KEY_REQUESTS_PER_MINUTE", "number", "600", "Requests per minute of a key that states no limit of its own."),
    Variable("RAINYMODEL_KEY_CONCURRENCY", "number", "32", "Requests at once of a key that states no limit of its own."),
    Variable("RAINYMODEL_KEY_TOKENS_PER_MINUTE", "number or none", "", "Tokens per minute of a key that states no limit of its own; unset, no limit."),
    Variable("RAINYMODEL_KEY_USD_PER_DAY", "amount", "", "US dollars per day (UTC) of a key that states no limit of its own, e.g. 2.50; unset, no limit."),
    Variable("RAINYMODEL_KEY_USD_PER_MONTH", "amount", "", "US dollars per month of a key that states no limit of its own; unset, no limit."),
    Variable("RAINYMODEL_NOTICE_SECONDS", "seconds", "", "After SIGTERM `/ready` says 503 this long while requests are still taken (3; 0 in development)."),
    Variable("RAINYMODEL_DRAIN_SECONDS", "seconds", "", "After that, running streams may finish within this time (60; 10 in development)."),
    Variable("RAINYMODEL_LOOP_STALL_SECONDS", "seconds", "10", "After this long without a turn of its event loop a worker is ended and replaced; 0 never does that."),
    Variable("RAINYMODEL_PING_SECONDS", "seconds", "15", "Silence on a stream before a keep-alive comment is sent."),
    Variable("RAINYMODEL_UPLOAD_SECONDS", "seconds", "30", "Time for a request body to arrive; after a third of it, one that comes at less than 1 KB/s is refused."),
    Variable("RAINYMODEL_STALL_SECONDS", "seconds", "60", "How long an answer may wait for a client that reads less than 1 KB/s, before the connection is cut."),
    Variable("RAINYMODEL_LOG_DAYS", "number", "30", "Days the request log is kept."),
    Variable("RAINYMODEL_JOURNAL_MB", "number", "256", "Megabytes of the state directory for requests whose rows are not in the database yet, all workers together; 16 or more for each worker."),
    Variable("OTEL_EXPORTER_OTLP_ENDPOINT", "text", "", "Where OpenTelemetry traces of requests go, e.g. http://collector:4318; needs the extra `traces`. Unset, there are none."),
    Variable("EMAIL_HOST", "text", "", "Mail server that alerts are sent through; unset, no e-mail is sent."),
    Variable("EMAIL_PORT", "number", "587", "Its port."),
    Variable("EMAIL_TLS", "text", "starttls", "`starttls`, `tls` (from the first byte) or `none`."),
    Variable("EMAIL_USER", "text", "", "User name at the mail server; empty, it is asked without one."),
    Variable("EMAIL_PASSWORD", "secret", "", "The password there."),
    Variable("EMAIL_FROM", "text", "", "The address that e-mails come from; needed where EMAIL_HOST is set."),
    Variable("RAINYMODEL_CREDENTIALS", "list", "", "`VARIABLE@host` pairs: which variable may serve as a credential for which host; unset means the starting catalogue's pairs."),
    Variable("RAINYMODEL_DEMO_URL", "text", "", "Address of the demonstration upstream; `make run` sets it.", "development"),
    Variable("RAINYMODEL_PRIVATE_UPSTREAMS", "list", "", "Private upstream addresses that are allowed: host:port or cidr:port, comma-separated."),
    Variable("RAINYMODEL_PLAINTEXT_UPSTREAMS", "list", "164.92.147.36:11434,178.128.196.3:11434", "Public upstream addresses that may be reached by plain http: host:port, comma-separated."),
    Variable("LITELLM_CONFIG_PATH", "path", "config/litellm_config.yaml", "A litellm configuration imported at the first start, when the file exists."),
    Variable("OPENWEBUI_DB_NAME", "text", "openwebui", "Open WebUI's database, made by `manage.py openwebui init`."),
    Variable("OPENWEBUI_DB_USER", "text", "openwebui", "The database user that Open WebUI signs in as, and that owns its database."),
    Variable("OPENWEBUI_DB_PASSWORD", "secret", "", "That user's password; unset, `manage.py services` leaves Open WebUI on its own SQLite file."),
    Variable("OPENWEBUI_DB_HOST", "text", "", "Where Open WebUI reaches its database; unset, the server that `manage.py openwebui init` uses."),
    Variable("OPENWEBUI_DB_PORT", "number", "5432", "The port on OPENWEBUI_DB_HOST; read only when that one is set."),
    Variable("OPENWEBUI_ADMIN_DATABASE_URL", "secret", "", "Whoever may make users and databases; unset, `manage.py openwebui init -x` uses DATABASE_URL."),
    Variable("OPENWEBUI_API_KEY", "secret", "", "The API key that Open WebUI uses at the gateway."),
    Variable("OPENWEBUI_COMMAND", "text", "open-webui", "The program that `manage.py services` starts as Open WebUI; `serve` and the address are added."),
    Variable("OPENWEBUI_HOST", "text", "127.0.0.1", "Address that Open WebUI listens on."),
    Variable("OPENWEBUI_PORT", "number", "8081", "Port that Open WebUI listens on."),
    Variable("OPENWEBUI_STOP_SECONDS", "seconds", "30", "How long Open WebUI may take to stop before `manage.py services` kills it."),
    Variable("HF_TOKEN", "secret", "", "Hugging Face router token."),
    Variable("OLLAMAFREE_API_BASE", "text", "https://ollamafreeapi.orcest.ai", "OllamaFreeAPI address; in development the provider is used only when this is set."),
    Variable("OLLAMAFREE_API_KEY", "secret", "sk-free", "OllamaFreeAPI key."),
    Variable("OLLAMA_PRIMARY_URL", "text", "http://164.92.147.36:11434", "First Ollama machine; in development the provider is used only when this is set."),
    Variable("OLLAMA_BASE_URL", "text", "", "Older name of OLLAMA_PRIMARY_URL; read when that one is not set."),
    Variable("OLLAMA_SECONDARY_URL", "text", "http://178.128.196.3:11434", "Second Ollama machine; in development the provider is used only when this is set."),
    Variable("OLLAMA_API_KEY", "secret", "ollama", "Key of the Ollama machines."),
    Variable("DEEPSEEK_API_KEY", "secret", "", "DeepSeek key."),
    Variable("OPENAI_API_KEY", "secret", "", "OpenAI key."),
    Variable("XAI_API_KEY", "secret", "", "x.AI key."),
    Variable("GEMINI_API_KEY", "secret", "", "Google Gemini key."),
    Variable("ANTHROPIC_API_KEY", "secret", "", "Anthropic key."),
    Variable("OPENROUTER_API_KEY", "secret", "", "OpenRouter key."),
    Variable("GROQ_API_KEY", "secret", "", "Groq key, for the catalogue `openllm`."),
    Variable("CLIPROXY_API_BASE", "text", "http://127.0.0.1:8317", "CLIProxyAPI address, for the catalogue `vibe`; in development the provider is used only when this is set."),
    Variable("CHAT_AUTO_API_KEY", "secret", "", "CLIProxyAPI key."),
    Variable("NEW_API_BASE", "text", "http://127.0.0.1:3000", "New API address, for the catalogue `vibe`; in development the provider is used only when this is set."),
    Variable("NEW_API_KEY", "secret", "", "New API key."),
    Variable("ARK_API_BASE", "text", "https://ark.cn-beijing.volces.com/api/v3", "Volces Ark address, for the catalogue `vibe`; in development the provider is used only when this is set."),
    Variable("ARK_API_KEY", "secret", "", "Volces Ark key."),
)  # fmt: skip
DECLARED = {variable.name: variable for variable in VARIABLES}


def text(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The variable's value, its `_FILE`'s first line, or its default; surrounding space removed."""
    variable = DECLARED[name]
    value = environ.get(name, "").strip()
    if not value and variable.kind == "secret" and environ.get(f"{name}_FILE"):
        value = _first_line(name, environ[f"{name}_FILE"])
    return value or variable.default


def is_set(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """True when the variable itself (not its default) has a value."""
    return bool(environ.get(name, "").strip() or environ.get(f"{name}_FILE", "").strip())


def number(name: str, environ: Mapping[str, str] = os.environ, *, low: int = 0, high: int = 10**9) -> int:
    """A whole number between `low` and `high`; anything else ends the start."""
    value = text(name, environ)
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise ConfigurationError(
            f"{name} must be a whole number from {low} to {high}, but it is {value[:40]!r}."
        )
    return int(value)


def number_or_none(name: str, environ: Mapping[str, str] = os.environ, *, low: int = 0) -> int | None:
    """As `number`; None when the variable is empty."""
    return number(name, environ, low=low) if text(name, environ) else None


def amount(name: str, environ: Mapping[str, str] = os.environ) -> Decimal | None:
    """US dollars, from 0.01 to a million; None when the variable is empty."""
    value = text(name, environ)
    if not value:
        return None
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        parsed = Decimal(0)
    if not parsed.is_finite() or not Decimal("0.01") <= parsed <= 1_000_000:
        raise ConfigurationError(f"{name} must be an amount from 0.01 to 1000000, but it is {value[:40]!r}.")
    return parsed


def seconds(name: str, fallback: float, environ: Mapping[str, str] = os.environ) -> float:
    """A number of seconds, not negative; `fallback` when the variable is empty."""
    value = text(name, environ)
    if not value:
        return fallback
    try:
        parsed = float(value)
    except ValueError:
        parsed = -1.0
    if not 0 <= parsed <= 86_400:
        raise ConfigurationError(
            f"{name} must be a number of seconds from 0 to 86400, but it is {value[:40]!r}."
        )
    return parsed


def switch(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """true/false, yes/no, on/off or 1/0."""
    value = text(name, environ).lower()
    if value in {"true", "yes", "on", "1"}:
        return True
    if value in {"false", "no", "off", "0", ""}:
        return False
    raise ConfigurationError(f"{name} must be true or false, but it is {value[:40]!r}.")


def items(name: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """A comma-separated list; empty parts are dropped."""
    return tuple(part.strip() for part in text(name, environ).split(",") if part.strip())


def path(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """A path; a relative one starts at the project's directory."""
    return PROJECT / Path(text(name, environ)).expanduser()


def mode(environ: Mapping[str, str] = os.environ) -> str:
    """`development` or `production`. Unset is production, except where `make run` has kept its secrets."""
    value = text("RAINYMODEL_ENV", environ)
    if not value:
        return DEVELOPMENT if secrets_file(environ).exists() else PRODUCTION
    if value not in {DEVELOPMENT, PRODUCTION}:
        raise ConfigurationError(
            f"RAINYMODEL_ENV must be development or production, but it is {value[:40]!r}."
        )
    return value


def default_hosts(public_url: str, mode: str) -> list[str]:
    """The hosts answered to when none are named: localhost in development, the public URL's host always."""
    hosts = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"] if mode == DEVELOPMENT else []
    public = urlsplit(public_url).hostname if public_url else None
    return [*hosts, public] if public else hosts or ["*"]


def secrets_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where development mode keeps the secrets it generated."""
    return path("RAINYMODEL_STATE_DIR", environ) / "secrets.env"


def require_secret(name: str, environ: Mapping[str, str] = os.environ, *, length: int = 32) -> str:
    """A secret that must be there and be long enough."""
    value = text(name, environ)
    if not value:
        raise ConfigurationError(f"{name} is not set; production needs it (see docs/configuration.md).")
    if len(value) < length or value in EXAMPLE_VALUES:
        raise ConfigurationError(
            f"{name} is an example value or shorter than {length} characters; make a random one."
        )
    return value


def load_dotenv(file: Path, environ: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Read NAME=value lines into the environment; what is set there already wins, even when it is empty."""
    for name, value in _read_dotenv(file):
        environ.setdefault(name, value)


def _read_dotenv(file: Path) -> Iterator[tuple[str, str]]:
    if not file.exists():
        return
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{file} cannot be read: {reason}.") from None
    for count, line in enumerate(lines, start=1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, sign, value = stripped.partition("=")
        if not sign or not name.strip().isidentifier():
            raise ConfigurationError(f"{file.name} line {count} is not of the form NAME=value.")
        yield name.strip(), _unquoted(value.strip())


def keep_generated_secrets(environ: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Development: generate what is missing once, keep it readable by the owner only, and load it."""
    file = secrets_file(environ)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{name}={secrets.token_urlsafe(48)}" for name in ("DJANGO_SECRET_KEY", "RAINYMODEL_KEY_PEPPER")
        ]
        lines.append(f"RAINYMODEL_SECRET_KEYS={_sealing_key()}")
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write("\n".join(lines) + "\n")
    for name, value in _read_dotenv(file):
        environ[name] = environ.get(name) or value


def _sealing_key() -> str:
    import base64

    return base64.b64encode(secrets.token_bytes(32)).decode()


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()


def _first_line(name: str, file: str) -> str:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{name}_FILE names {file!r}, which cannot be read: {type(error).__name__}."
        ) from None
    return lines[0].strip() if lines else ""
