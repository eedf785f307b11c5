"""The portal's settings, with changes that only tests need."""

import os
import tempfile

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="tollgate-tests-"))
os.environ.setdefault("SECRET_KEY", "only-for-tests-" * 5)
os.environ.setdefault("TOKEN_PEPPER", "pepper-for-tests-" * 2)

from portal.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
ALLOWED_HOSTS = ["*"]
FORMS_PER_MINUTE = 1_000_000  # tests send them faster than a person could
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405 - WhiteNoise warns if it is missing

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    # A file, as in production. Threads wait for each other's writes; in memory they would fail.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "tests.sqlite3"}  # noqa: F405
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
# Most tests report for services and edges that no table named.
USAGE_PLAUSIBILITY = False

# Otherwise each test client lists and reads all static files again.
WHITENOISE_AUTOREFRESH = True
