"""What changes edges and usage: credentials, reports, disputes, periods."""

from products.metering.commands.disputes import record_disputes, resolve_dispute
from products.metering.commands.edges import (
    IssuedCredential,
    adopt_credential,
    declare_restored,
    issue_credential,
    note_status,
    renew_credential,
    renewal_is_due,
    revoke_credential,
)
from products.metering.commands.ingest import ingest
from products.metering.commands.outages import (
    begin_outage,
    check_edges,
    end_outage,
    note_outage,
)
from products.metering.commands.periods import (
    keep_bounds,
    presume_closed,
    rebuild_stale_periods,
    rebuild_usage,
)
from products.metering.commands.plausibility import save_carried
from products.metering.commands.retention import (
    deletable_periods,
    delete_old_voided,
    delete_records,
)
from products.metering.commands.voids import void_late_merges, void_usage

__all__ = [
    "IssuedCredential",
    "adopt_credential",
    "begin_outage",
    "check_edges",
    "declare_restored",
    "deletable_periods",
    "delete_old_voided",
    "delete_records",
    "end_outage",
    "ingest",
    "issue_credential",
    "keep_bounds",
    "note_outage",
    "note_status",
    "presume_closed",
    "rebuild_stale_periods",
    "rebuild_usage",
    "record_disputes",
    "renew_credential",
    "renewal_is_due",
    "resolve_dispute",
    "revoke_credential",
    "save_carried",
    "void_late_merges",
    "void_usage",
]
