"""What changes of edges and usage: credentials, reports, conflicts, periods."""

from products.metering.commands.credentials import (
    IssuedCredential,
    issue_credential,
    revoke_credential,
)
from products.metering.commands.disputes import record_disputes, resolve_conflict
from products.metering.commands.edges import note_status
from products.metering.commands.epoch import declare_restored
from products.metering.commands.ingest import ingest
from products.metering.commands.periods import rebuild_dirty_periods, rebuild_usage
from products.metering.commands.sweeps import presume_closed

__all__ = [
    "IssuedCredential",
    "declare_restored",
    "ingest",
    "issue_credential",
    "note_status",
    "presume_closed",
    "rebuild_dirty_periods",
    "rebuild_usage",
    "record_disputes",
    "resolve_conflict",
    "revoke_credential",
]
