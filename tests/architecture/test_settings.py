"""The table of settings in `docs/running.md` has every setting that the code reads, and no other."""

import re

from tests.architecture.source import PRODUCT, ROOT, modules

READ = re.compile(r"""(?:\benv\.\w+|\btext|environ\.get)\(\s*"([A-Z][A-Z_]+)\"""")
# Together with a name that OpenTelemetry has for traces alone.
READ_OTHERWISE = {"OTEL_EXPORTER_OTLP_ENDPOINT"}
OF_THE_SYSTEM = {"PATH", "PATH_INFO", "PYTHONPATH"}


def settings_in_docs():
    page = (ROOT / "docs/running.md").read_text("utf-8")
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    return {
        name
        for row in re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
        for name in re.findall(r"`([A-Z][A-Z_]+)`", row)
    }


def test_every_setting_that_is_read_is_documented_and_no_other():
    read = {
        name.removesuffix("_STRICT")
        for module in modules(*PRODUCT)
        for name in READ.findall(module.text)
    }

    assert settings_in_docs() == (read | READ_OTHERWISE) - OF_THE_SYSTEM
