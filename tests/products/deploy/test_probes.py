"""The budget of probes, which no number of processes and no pause stretches; and what is remembered."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection

from accounts import rate_limit
from products.compatibility.version_config import BackendConfig, VersionConfig
from products.deploy import probes
from products.deploy.origin_probe import ProbeResult

LONG = ".".join(["a" * 60] * 4)  # 243 characters, as long as a host name may nearly be


@pytest.fixture
def dialled(monkeypatch):
    """Stand in for the network: every probe is noted and finds a good certificate."""
    asked: list[str] = []

    def probe(address, port, **_kwargs):
        asked.append(f"{address}:{port}")
        return ProbeResult("ok", "Good.")

    monkeypatch.setattr(probes, "probe_origin", probe)
    set_clock(monkeypatch, 1_000_000)
    cache.clear()
    return asked


def set_clock(monkeypatch, seconds: int) -> None:
    monkeypatch.setattr(
        rate_limit, "time", SimpleNamespace(time=lambda: float(seconds))
    )


def config(address: str, override: str = "") -> VersionConfig:
    backend = BackendConfig(
        name="b", address=address, port=443, use_ssl=True, override_host=override
    )
    return VersionConfig(number=1, backends=(backend,))


@pytest.mark.django_db
def test_each_account_has_its_own_probes_per_hour(dialled, monkeypatch):
    monkeypatch.setattr(probes, "PROBES_PER_HOUR", 3)

    kinds = [
        probes.probe_certificates(config(f"o{number}.example.com"), "acme")[0].kind
        for number in range(4)
    ]
    others = probes.probe_certificates(config("o9.example.com"), "globex")[0].kind

    assert (kinds, others) == (["ok", "ok", "ok", "unreachable"], "ok")
    assert len(dialled) == 4


@pytest.mark.django_db
def test_the_count_lasts_the_hour_and_not_longer(dialled, monkeypatch):
    monkeypatch.setattr(probes, "PROBES_PER_HOUR", 1)
    probes.probe_certificates(config("one.example.com"), "acme")
    cache.delete(f"probes:acme:{1_000_000 // 3600}")  # forgotten, as after a race

    assert (
        probes.probe_certificates(config("two.example.com"), "acme")[0].kind
        == "unreachable"
    )
    set_clock(monkeypatch, 1_000_000 + 3600)
    assert probes.probe_certificates(config("two.example.com"), "acme")[0].kind == "ok"


@pytest.mark.django_db(transaction=True)
def test_concurrent_probes_stay_within_the_limit(dialled, monkeypatch):
    monkeypatch.setattr(probes, "PROBES_PER_HOUR", 8)

    def ask(number: int) -> str:
        try:
            return probes.probe_certificates(config(f"o{number}.example.com"), "acme")[
                0
            ].kind
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        kinds = list(pool.map(ask, range(24)))

    assert (kinds.count("ok"), len(dialled)) == (8, 8)


@pytest.mark.django_db
def test_an_answer_is_remembered_however_long_the_names_are(dialled):
    probes.probe_certificates(config(LONG, f"b.{LONG}"), "acme")
    probes.probe_certificates(config(LONG, f"b.{LONG}"), "acme")

    assert len(dialled) == 1
