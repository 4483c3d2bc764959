"""Django settings, all from the environment (see env.py); a value that cannot be read stops the start."""

import sys

from rainymodel_site import env, logs
from rainymodel_site.api.options import REST_FRAMEWORK, SPECTACULAR_SETTINGS  # noqa: F401  (settings)
from rainymodel_site.mail_settings import read_security, read_sender
from rainymodel_site.sign_in_settings import read_client_secret, read_issuer
from rainymodel_site.theme import UNFOLD  # noqa: F401  (a setting)

env.load_dotenv(env.PROJECT / ".env")
MODE = env.mode()
IS_PRODUCTION = MODE == env.PRODUCTION
if not IS_PRODUCTION:
    env.keep_generated_secrets()

from rainymodel_site.database import django_database, writer_dsn  # noqa: E402  (needs the environment that was just read)

BASE_DIR = env.PROJECT
STATE_DIR = env.path("RAINYMODEL_STATE_DIR")
DEBUG = False
SECRET_KEY = env.require_secret("DJANGO_SECRET_KEY", length=50)
KEY_PEPPER = env.require_secret("RAINYMODEL_KEY_PEPPER")
SEALING_KEYS = env.require_secret("RAINYMODEL_SECRET_KEYS", length=44)
PUBLIC_URL = env.text("RAINYMODEL_PUBLIC_URL").rstrip("/")
VERSION = "0.1.0"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "routing",
    "gateway",
    "rainymodel_site",
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": django_database()}
DATABASE_DSN = writer_dsn()  # for the gateway's own pool

if "runserver" in sys.argv:  # daphne's own runserver; its Twisted costs a worker 17 MB that never uses it
    INSTALLED_APPS.insert(0, "daphne")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "rainymodel_site.api.envelope.ApiErrors",
    "rainymodel_site.static_files.StaticFiles",
    "csp.middleware.CSPMiddleware",
    "rainymodel_site.content_security.AdminContentSecurity",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "rainymodel_site.zone.ViewerZone",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "rainymodel_site.audit.ActorMiddleware",
    "accounts.oidc.recheck.SessionCheck",
    "rainymodel_site.queries.NulInQuery",
    "rainymodel_site.queries.ForgedSelection",
]
ROOT_URLCONF = "rainymodel_site.urls"
ASGI_APPLICATION = "rainymodel_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # as rainymodel_site/page_bodies.py says
FORMAT_MODULE_PATH = ["rainymodel_site.formats"]
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "build" / "static"  # filled by collectstatic when the image is built

ALLOWED_HOSTS = list(env.items("RAINYMODEL_ALLOWED_HOSTS")) or env.default_hosts(PUBLIC_URL, MODE)
TRUSTED_PROXIES = env.number("RAINYMODEL_TRUSTED_PROXIES", high=10)
APPEND_SLASH = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL.startswith("http") else []

# Cookies: `__Host-` and Secure wherever https is certain; a laptop's plain http would drop them.
SESSION_COOKIE_NAME = "__Host-session" if IS_PRODUCTION else "rainymodel_session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_PRODUCTION else "rainymodel_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_PRODUCTION
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_FAILURE_VIEW = "accounts.views.refuse_form"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 365 * 86_400 if IS_PRODUCTION else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'self'"],
    }
}

AUTHENTICATION_BACKENDS = ["accounts.roles.RoleBackend", "accounts.oidc.backend.SsoBackend"]
OIDC_ISSUER = read_issuer(production=IS_PRODUCTION)
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = read_client_secret(production=IS_PRODUCTION)
OIDC_API_AUDIENCES = env.items("OIDC_API_AUDIENCES")
OIDC_SESSION_AGE = 15 * 60  # seconds until the provider is asked again whether a session's person may be here
KEY_PAUSE_DAYS = env.number("RAINYMODEL_KEY_PAUSE_DAYS", high=3650)
LOGIN_URL = "/signin/"
LOGIN_REDIRECT_URL = "/admin/"

EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.number("EMAIL_PORT", low=1, high=65_535)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = env.text("EMAIL_USER"), env.text("EMAIL_PASSWORD")
EMAIL_USE_TLS, EMAIL_USE_SSL = read_security() == "starttls", read_security() == "tls"
DEFAULT_FROM_EMAIL = read_sender()

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = not IS_PRODUCTION

LOGGING = logs.configure(production=IS_PRODUCTION, debug=env.switch("RAINYMODEL_DEBUG"))
