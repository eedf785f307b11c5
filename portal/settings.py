"""All settings."""

import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.urls import reverse_lazy

from portal import env
from portal.schedule import beat_schedule
from products.protocol import MAX_PORT, is_ip

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.data_dir(BASE_DIR)
PRODUCTION = env.flag("PRODUCTION", default=False)
DEBUG = False

os.umask(0o077)  # only its owner can read what any of the portal's processes writes

STARTED_AT = datetime.now(UTC)
SECRET_KEY = env.secret("SECRET_KEY", DATA_DIR / "secrets")
SECRET_KEY_FALLBACKS = env.fallbacks("SECRET_KEY", DATA_DIR / "secrets", STARTED_AT)
TOKEN_PEPPER = env.secret("TOKEN_PEPPER", DATA_DIR / "secrets")
TOKEN_PEPPER_FALLBACKS = env.fallbacks("TOKEN_PEPPER", DATA_DIR / "secrets", STARTED_AT)

# Encrypts secrets in the database, such as the seeds of second factors (`rotate_encryption`).
ENCRYPTION_KEY = env.secret("ENCRYPTION_KEY", DATA_DIR / "secrets")
ENCRYPTION_KEY_FALLBACKS = env.fallbacks(
    "ENCRYPTION_KEY", DATA_DIR / "secrets", STARTED_AT
)

# A proxy is in front; only in a container does the portal listen on other addresses.
LISTEN_HOST = env.text("LISTEN_HOST", "127.0.0.1")
PORT = env.number("PORT", 8000, minimum=1, maximum=MAX_PORT)
# The edges' calls get a web server of their own there; see `python -m portal.web_server --edges`.
EDGE_API_PORT = env.number("EDGE_API_PORT", 8001, minimum=1, maximum=MAX_PORT)
WEB_WORKERS = env.number("WEB_WORKERS", 2, minimum=1, maximum=256)
WEB_THREADS = env.number("WEB_THREADS", 4, minimum=1, maximum=256)  # per worker
HANG_SECONDS = env.number("HANG_SECONDS", 20, minimum=1)  # until a worker is replaced
EDGE_PORT = env.number("EDGE_PORT", 8080, minimum=1, maximum=MAX_PORT)
ECHO_PORT = env.number("ECHO_PORT", 8081, minimum=1, maximum=MAX_PORT)
# Browsers make passkeys for `localhost`, and for no IP address.
_PORTAL_HOST = "localhost" if LISTEN_HOST == "127.0.0.1" else LISTEN_HOST
PORTAL_URL = env.web_url("PORTAL_URL", f"http://{_PORTAL_HOST}:{PORT}")
# Where edges ask for routes; in production HAProxy has a listener of its own for them. For
# `localhost` an edge might try ::1, where the portal does not listen.
EDGE_API_URL = env.web_url(
    "EDGE_API_URL", PORTAL_URL.replace("http://localhost:", f"http://{LISTEN_HOST}:")
)
EDGE_URL = env.web_url("EDGE_URL", f"http://{LISTEN_HOST}:{EDGE_PORT}")
# Further hosts of the portal, with their ports; in production only those of PORTAL_URL and these.
PORTAL_ALIASES = env.words(
    "ALLOWED_HOSTS", "" if PRODUCTION else "127.0.0.1,localhost,[::1]"
)
ALLOWED_HOSTS = env.hosts(PORTAL_URL, PORTAL_ALIASES)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
# The probe and the edge refuse origins on private addresses outside these networks.
# The demo's origin is on loopback.
PRIVATE_ORIGINS = env.networks(
    "PRIVATE_ORIGINS",
    "127.0.0.0/8,::1/128"
    if (DATA_DIR / "demo.json").exists() and not PRODUCTION
    else "",
)
# Certification authorities for origins, instead of the public ones; for tests and private platforms.
ORIGIN_CA_FILE = env.text("ORIGIN_CA_FILE")
# How accounts prove that they own a domain: a TXT record, also a token over HTTP, or not at all.
DOMAIN_VERIFICATION = env.choice(
    "DOMAIN_VERIFICATION", "dns" if PRODUCTION else "off", ("dns", "http", "off")
)
# Name servers for this proof, instead of the machine's own.
DNS_SERVERS = env.servers("DNS_SERVERS", 53)
# Host names that no account can claim, with the names above and below them.
PLATFORM_NAMES = [
    name
    for name in (
        *(urlsplit(url).hostname or "" for url in (PORTAL_URL, EDGE_URL)),
        *(name.lower() for name in env.words("PLATFORM_NAMES")),
    )
    if not is_ip(name) and name != "localhost"  # the demo's domains are below it
]
# Who sends the invoices, and what they say about tax.
INVOICE_SELLER = env.text("INVOICE_SELLER", "Tollgate")
INVOICE_TAX_NOTE = env.text("INVOICE_TAX_NOTE", "All amounts are before tax.")
# Usage that an edge cannot have seen is quarantined: more bytes than its link carries, for example.
USAGE_PLAUSIBILITY = env.flag("USAGE_PLAUSIBILITY", default=True)
# For how long things are kept; sweeps delete them. 0 keeps personal data and usage for ever.
MAIL_KEEP_DAYS = env.number("MAIL_KEEP_DAYS", 90, minimum=1)
NOTICE_KEEP_DAYS = env.number("NOTICE_KEEP_DAYS", 180, minimum=1)
PERSONAL_DATA_KEEP_DAYS = env.number("PERSONAL_DATA_KEEP_DAYS", 400)
USAGE_KEEP_MONTHS = env.number("USAGE_KEEP_MONTHS", 24, maximum=1200)
WEBHOOK_LOG_KEEP_DAYS = env.number("WEBHOOK_LOG_KEEP_DAYS", 30, minimum=1)
IDEMPOTENCY_KEEP_HOURS = env.number("IDEMPOTENCY_KEEP_HOURS", 24, minimum=24)
# Calls of the API per user; reads are counted per machine, and 0 sets no limit for them.
API_WRITES_PER_HOUR = env.number("API_WRITES_PER_HOUR", 1_000, minimum=1)
API_READS_PER_MINUTE = env.number("API_READS_PER_MINUTE", 3_000)
FORMS_PER_MINUTE = env.number("FORMS_PER_MINUTE", 120, minimum=1)
USAGE_LINK_MBIT = env.number("USAGE_LINK_MBIT", 10_000, minimum=1, maximum=10**7)
SALES_EMAIL = env.text("SALES_EMAIL", "sales@tollgate.invalid")
# For /.well-known/security.txt: a mailto: or https: URL.
SECURITY_CONTACT = env.text(
    "SECURITY_CONTACT", f"mailto:security@{urlsplit(PORTAL_URL).hostname}"
)
# How many proxies are in front of the portal; with 0, X-Forwarded-For is ignored.
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0, maximum=10)
# The networks that the last of them is in.
PROXY_NETWORKS = env.networks("PROXY_NETWORKS", "127.0.0.0/8,::1/128")

INSTALLED_APPS = [
    "accounts.apps.AccountsConfig",
    "accounts.audit.apps.AuditConfig",
    "products.catalogue.apps.CatalogueConfig",
    "products.services.apps.ServicesConfig",
    "products.domains.apps.DomainsConfig",
    "products.metering.apps.MeteringConfig",
    "products.enablement.apps.EnablementConfig",
    "products.webhooks.apps.WebhooksConfig",
    "products.deploy.apps.DeployConfig",
    "products.billing.apps.BillingConfig",
    "portal.apps.PortalConfig",
    "portal.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "guardian",
    "rest_framework",
    "drf_spectacular_sidecar",
]
# Traces are sent only if an endpoint is set.
TRACING = env.tracing()
MIDDLEWARE = [
    "portal.health.answer_health",
    "portal.metrics.measure",
    *(["portal.tracing.trace_requests"] if TRACING else []),
    "portal.logs.log_requests",
    "portal.proxy.read_client",
    "portal.middleware.request_id",
    "portal.api_rate_limit.rate_limit_headers",
    "portal.middleware.compress_pages",
    "portal.middleware.see_other",
    # Middleware that sets headers is above middleware that can respond by itself.
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.proxy.reject_foreign_hosts",
    "portal.middleware.reject_edge_requests",
    "portal.middleware.reject_unstorable_text",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "accounts.sessions.SecretSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.body_limits.limit_body",  # a signed-in user may send more
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.page_for_method",
    "portal.middleware.sign_in_to_form",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "accounts.web.session_limits.session_limits",
    "portal.form_rate_limit.limit_forms",
    "accounts.web.second_factor.second_factor",
    "portal.middleware.reader",
    "portal.middleware.reject_unstorable_forms",
    "portal.middleware.refusal_pages",
    "portal.query_parameters.query_parameters",
    "portal.preconditions.preconditions",
    "portal.idempotency.idempotency",
]
ROOT_URLCONF = "portal.urls"

WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "portal.page_context.page_context",
            ],
            "libraries": {"tollgate": "products.web.template_tags"},
        },
    }
]

SQLITE_IN_PRODUCTION = env.flag("SQLITE_IN_PRODUCTION", default=False)
DATABASES = {"default": env.database(DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Rate limits must count across processes, so they are counted in the database.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # a full cache deletes counts
    }
}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.authentication.UserBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ("email", "name")}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
] + [{"NAME": "accounts.passwords.GuessablePasswordValidator"}]
GUARDIAN_MONKEY_PATCH_USER = False
ANONYMOUS_USER_NAME = None
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.web.allauth_adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation's link already proves the address
REAUTHENTICATION_SECONDS = 300
# allauth never accepts by its own rule; the adapter answers (`is_reauthentication_required`).
ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Tollgate: "
ACCOUNT_RATE_LIMITS = {
    "login_failed": "20/m/ip,5/5m/key",
    "reauthenticate": "10/m/user",
}
ACCOUNT_FORMS = {
    "change_password": "accounts.web.mfa_forms.ChangePassword",
    "login": "accounts.web.mfa_forms.SignIn",
    "reauthenticate": "accounts.web.mfa_forms.Reauthenticate",
    "reset_password": "accounts.web.mfa_forms.RequestReset",
    "reset_password_from_key": "accounts.web.mfa_forms.ResetPassword",
}
ALLAUTH_TRUSTED_PROXY_COUNT = 0  # `portal.proxy` has set the client's address
MFA_ADAPTER = "accounts.web.mfa_adapter.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION
# Addresses are proven by an invitation. Without this, a user with a second factor could not change
# their address.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Tollgate"
MFA_TOTP_TOLERANCE = 1  # periods; `accounts.one_time_codes` makes each code work once
MFA_FORMS = {
    "activate_totp": "accounts.web.mfa_forms.ActivateApp",
    "authenticate": "accounts.web.mfa_forms.EnterCode",
    "reauthenticate": "accounts.web.mfa_forms.ReauthenticateByCode",
    "add_webauthn": "accounts.web.mfa_forms.AddPasskey",
    "login_webauthn": "accounts.web.mfa_forms.SignInByPasskey",
    "reauthenticate_webauthn": "accounts.web.mfa_forms.ReauthenticateByPasskey",
    "authenticate_webauthn": "accounts.web.mfa_forms.AuthenticateByPasskey",
}
# If set, users with the role superuser or billing, and staff, need a second factor.
SECOND_FACTOR_REQUIRED = env.flag("SECOND_FACTOR_REQUIRED", default=False)
# If set, suspending an account, assigning a package and publishing a price need two of staff.
STAFF_TWO_PERSONS = env.flag("STAFF_TWO_PERSONS", default=False)
USERSESSIONS_ADAPTER = "accounts.web.allauth_adapter.SessionsAdapter"
# A session ends after so many seconds without a request, and so many after the sign-in. The first
# two are for staff and the roles superuser and billing; the strictest role counts.
SESSION_IDLE_SECONDS_STRICT = env.number(
    "SESSION_IDLE_SECONDS_STRICT", 1800, minimum=60
)
SESSION_MAX_SECONDS_STRICT = env.number(
    "SESSION_MAX_SECONDS_STRICT", 86_400, minimum=60
)
SESSION_IDLE_SECONDS = env.number("SESSION_IDLE_SECONDS", 28_800, minimum=60)
SESSION_MAX_SECONDS = env.number("SESSION_MAX_SECONDS", 1_209_600, minimum=60)
USERSESSIONS_TRACK_ACTIVITY = False

SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_NAME = "__Host-session" if PRODUCTION else "tollgate_session"
DEVICE_COOKIE_NAME = "__Host-device" if PRODUCTION else "tollgate_device"
CSRF_COOKIE_NAME = "__Host-csrf" if PRODUCTION else "tollgate_csrf"
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_SSL_HOST = env.netloc(PORTAL_URL)
SECURE_HSTS_SECONDS = 31536000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSP_REPORTS = "csp-reports"  # the path that browsers send reports of violations to
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
        "report-uri": f"/{CSP_REPORTS}",
    }
}
# Of usage reports, which have many records; `portal.body_limits` allows other requests less.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.FastlyKeyAuthentication"
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["portal.fastly_format.Renderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.fastly_format.BodyParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "portal.fastly_format.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "portal.openapi.operations.OperationSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is not supported
    "DEFAULT_THROTTLE_CLASSES": ["portal.api_rate_limit.ApiRateLimit"],
    "EXCEPTION_HANDLER": "portal.error_responses.api_error_response",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Tollgate API",
    "DESCRIPTION": (
        "Paths and bodies are those of Fastly's API, below this portal's address; Tollgate's own "
        "are below /api/v1. Send an API token as Fastly-Key. A body is JSON or a form."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "DISABLE_ERRORS_AND_WARNINGS": False,
}

CELERY_BEAT_SCHEDULE = beat_schedule()
# In memory: sweeps are idempotent, so a lost schedule costs nothing. A kill can damage the file
# that beat writes by default, and then beat exits but its worker does not.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1  # seconds; beat cannot stop while it sleeps
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Nothing sends commands to workers. Their queue for them is named after the host and exclusive:
# RabbitMQ would refuse a second worker there, and one that restarts before its connection is lost.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_IMPORTS = ["portal.tracing"] if TRACING else []

globals().update(env.email(DATA_DIR) | env.broker(DATA_DIR))
DEFAULT_FROM_EMAIL = env.text(
    "DEFAULT_FROM_EMAIL", "Tollgate <tollgate@tollgate.invalid>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "portal.formats"
USE_TZ = True
USE_I18N = True
# For /metrics from another machine; without it only this machine may ask.
METRICS_TOKEN = env.text("METRICS_TOKEN")
METRICS_DIR = DATA_DIR / "metrics"
METRICS_DIR.mkdir(mode=0o700, exist_ok=True)
# prometheus_client reads it when it is imported; each web server sets a folder of its own.
os.environ[env.COUNTS_IN] = str(METRICS_DIR)
LOG_LEVEL = env.log_level("LOG_LEVEL", "WARNING")
ACCESS_LOG = env.flag("ACCESS_LOG", default=PRODUCTION)  # one line per request
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "portal.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {"portal.requests": {"level": "INFO" if ACCESS_LOG else "WARNING"}},
}
