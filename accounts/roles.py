"""The table that joins roles and permissions (R20): selective, not additive."""

from enum import StrEnum


class Role(StrEnum):
    """What a user is in one account."""

    USER = "user"
    BILLING = "billing"
    ENGINEER = "engineer"
    SUPERUSER = "superuser"


class Permission(StrEnum):
    """The permissions, `resource:verb`, in alphabetical order."""

    ACCOUNT_CONFIGURE = "account:configure"
    ACCOUNT_CREATE = "account:create"
    ACCOUNT_READ = "account:read"
    ACCOUNT_SUSPEND = "account:suspend"
    ACCOUNT_UNLOCK = "account:unlock"
    AUDIT_READ = "audit:read"
    BILLING_READ = "billing:read"
    BUDGET_CHECK = "budget:check"
    TRIAL_END = "trial:end"
    BUDGET_MANAGE = "budget:manage"
    CATALOGUE_MANAGE = "catalogue:manage"
    CONTRACT_ASSIGN = "contract:assign"
    CREDIT_GRANT = "credit:grant"
    DOMAIN_CLAIM = "domain:claim"
    DOMAIN_MANAGE = "domain:manage"
    DOMAIN_READ = "domain:read"
    EDGE_MANAGE = "edge:manage"
    INVOICE_MANAGE = "invoice:manage"
    LOGIN_OWN = "login:own"
    INVITATION_RESEND = "invitation:resend"
    MEMBER_INVITE = "member:invite"
    MEMBER_INVITE_ENGINEERS = "member:invite_engineers"
    MEMBER_MANAGE = "member:manage"
    MEMBER_READ = "member:read"
    MEMBER_REMOVE = "member:remove"
    PACKAGE_ASSIGN = "package:assign"
    PLATFORM_OPERATE = "platform:operate"
    PROPOSAL_DECIDE = "proposal:decide"
    PRODUCT_ENABLE = "product:enable"
    PRODUCT_REQUEST = "product:request"
    SERVICE_CONFIGURE = "service:configure"
    SERVICE_COMPARE = "service:compare"
    SERVICE_CREATE = "service:create"
    SERVICE_DEPLOY = "service:deploy"
    SERVICE_PURGE = "service:purge"
    SERVICE_READ = "service:read"
    SERVICE_VCL = "service:vcl"
    STATS_READ = "stats:read"
    TOKEN_AUTOMATE = "token:automate"  # noqa: S105 - a permission's name
    TOKEN_CHECK = "token:check"  # noqa: S105
    TOKEN_MANAGE = "token:manage"  # noqa: S105
    TOKEN_OWN = "token:own"  # noqa: S105
    TOKEN_READ = "token:read"  # noqa: S105
    TOKEN_SELF = "token:self"  # noqa: S105
    USER_RENAME = "user:rename"
    TOKEN_REVOKE = "token:revoke"  # noqa: S105
    USAGE_INGEST = "usage:ingest"
    USAGE_RESOLVE = "usage:resolve"
    USAGE_VOID = "usage:void"
    WEBHOOK_MANAGE = "webhook:manage"
    WEBHOOK_READ = "webhook:read"
    USER_MANAGE = "user:manage"


class AccessLevel(StrEnum):
    """What a member limited to chosen services may do on one of them (R21)."""

    FULL = "full"
    READ_ONLY = "read_only"
    PURGE_SELECT = "purge_select"
    PURGE_ALL = "purge_all"


EVERYONE = frozenset(
    {
        Permission.ACCOUNT_READ,
        Permission.LOGIN_OWN,
        Permission.DOMAIN_READ,
        Permission.MEMBER_READ,
        Permission.PRODUCT_REQUEST,
        Permission.SERVICE_READ,
        Permission.STATS_READ,
        Permission.TOKEN_OWN,
        Permission.TOKEN_SELF,
        Permission.USER_RENAME,
        Permission.TOKEN_REVOKE,
    }
)

# Source: fastly-api, "Permissions", the newest published table of roles.
ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.USER: EVERYONE,
    Role.BILLING: EVERYONE | {Permission.BILLING_READ, Permission.BUDGET_MANAGE},
    Role.ENGINEER: EVERYONE
    | {
        Permission.DOMAIN_CLAIM,
        Permission.MEMBER_INVITE_ENGINEERS,
        Permission.SERVICE_COMPARE,
        Permission.SERVICE_CONFIGURE,
        Permission.SERVICE_CREATE,
        Permission.SERVICE_DEPLOY,
        Permission.SERVICE_PURGE,
        Permission.SERVICE_VCL,
    },
    Role.SUPERUSER: EVERYONE
    | {
        Permission.ACCOUNT_CONFIGURE,
        Permission.AUDIT_READ,
        Permission.BILLING_READ,
        Permission.BUDGET_MANAGE,
        Permission.DOMAIN_CLAIM,
        Permission.INVITATION_RESEND,
        Permission.MEMBER_INVITE,
        Permission.MEMBER_INVITE_ENGINEERS,
        Permission.MEMBER_MANAGE,
        Permission.MEMBER_REMOVE,
        Permission.PRODUCT_ENABLE,
        Permission.SERVICE_COMPARE,
        Permission.SERVICE_CONFIGURE,
        Permission.SERVICE_CREATE,
        Permission.SERVICE_DEPLOY,
        Permission.SERVICE_PURGE,
        Permission.SERVICE_VCL,
        Permission.TOKEN_AUTOMATE,
        Permission.TOKEN_MANAGE,
        Permission.TOKEN_READ,
        Permission.WEBHOOK_MANAGE,
        Permission.WEBHOOK_READ,
    },
}

# What an automation token, which belongs to an account and to no user, can be.
AUTOMATION_ROLES = (Role.USER, Role.BILLING, Role.ENGINEER)

# What staff may do, in the admin and by commands; it is not a role in any account.
STAFF_PERMISSIONS = frozenset(
    {
        Permission.ACCOUNT_CREATE,
        Permission.ACCOUNT_READ,
        Permission.ACCOUNT_SUSPEND,
        Permission.ACCOUNT_UNLOCK,
        Permission.AUDIT_READ,
        Permission.CATALOGUE_MANAGE,
        Permission.CONTRACT_ASSIGN,
        Permission.CREDIT_GRANT,
        Permission.DOMAIN_MANAGE,
        Permission.EDGE_MANAGE,
        Permission.INVITATION_RESEND,
        Permission.INVOICE_MANAGE,
        Permission.LOGIN_OWN,
        Permission.PACKAGE_ASSIGN,
        Permission.PROPOSAL_DECIDE,
        Permission.USAGE_RESOLVE,
        Permission.USAGE_VOID,
        Permission.USER_MANAGE,
    }
)

# What each system job may do, by its name.
SYSTEM_PERMISSIONS: dict[str, frozenset[Permission]] = {
    # The user who joins has an invitation from a member with this permission.
    "accept-invitation": frozenset({Permission.MEMBER_INVITE}),
    "check-domain-claims": frozenset({Permission.DOMAIN_CLAIM}),
    "load-catalogue": frozenset({Permission.CATALOGUE_MANAGE}),
    "deliver-webhooks": frozenset({Permission.WEBHOOK_MANAGE}),
    "create-account": frozenset({Permission.ACCOUNT_CREATE}),
    "bill-accounts": frozenset({Permission.INVOICE_MANAGE, Permission.BUDGET_CHECK}),
    "close-month": frozenset({Permission.INVOICE_MANAGE}),
    "create-staff": frozenset({Permission.USER_MANAGE}),
    "load-demo": frozenset(
        {
            Permission.ACCOUNT_CREATE,
            Permission.PACKAGE_ASSIGN,
            Permission.USER_MANAGE,
        }
    ),
    "end-trials": frozenset({Permission.TRIAL_END}),
    "check-tokens": frozenset({Permission.TOKEN_CHECK}),
    "check-edges": frozenset({Permission.EDGE_MANAGE}),
    "edge-credential": frozenset({Permission.EDGE_MANAGE}),
    "ingest-usage": frozenset({Permission.USAGE_INGEST}),
    "operate": frozenset({Permission.PLATFORM_OPERATE}),
    "renew-credential": frozenset({Permission.EDGE_MANAGE}),
    "restored": frozenset({Permission.EDGE_MANAGE}),
}

READ_PERMISSIONS = frozenset(
    permission for permission in Permission if permission.endswith(":read")
) | {Permission.SERVICE_VCL}

# What takes rights away is permitted while an account is suspended: that is when it is needed.
PERMITTED_WHILE_SUSPENDED = READ_PERMISSIONS | {
    Permission.MEMBER_REMOVE,
    Permission.TOKEN_MANAGE,
    Permission.TOKEN_REVOKE,
    Permission.TOKEN_SELF,
}

# The access levels on a service that include a permission. Other permissions need no service.
LEVELS_FOR: dict[Permission, frozenset[AccessLevel]] = {
    Permission.SERVICE_READ: frozenset(AccessLevel),
    Permission.STATS_READ: frozenset(AccessLevel),
    Permission.SERVICE_COMPARE: frozenset({AccessLevel.FULL}),
    Permission.SERVICE_CONFIGURE: frozenset({AccessLevel.FULL}),
    Permission.SERVICE_DEPLOY: frozenset({AccessLevel.FULL}),
    Permission.SERVICE_VCL: frozenset({AccessLevel.FULL}),
    Permission.SERVICE_PURGE: frozenset(
        {AccessLevel.FULL, AccessLevel.PURGE_SELECT, AccessLevel.PURGE_ALL}
    ),
}

# Only these roles can be limited to services (R21).
ROLES_WITH_LIMITED_ACCESS = frozenset({Role.ENGINEER, Role.USER})

# If the operator requires a second factor, staff and these roles need one; their session limits
# are stricter.
SECOND_FACTOR_ROLES = frozenset({Role.BILLING, Role.SUPERUSER})

ABILITIES: dict[Permission, str] = {
    Permission.ACCOUNT_CONFIGURE: "change the account's settings",
    Permission.ACCOUNT_CREATE: "create accounts",
    Permission.ACCOUNT_READ: "see the account",
    Permission.ACCOUNT_SUSPEND: "suspend accounts",
    Permission.ACCOUNT_UNLOCK: "lift the security policy of accounts",
    Permission.AUDIT_READ: "read the audit trail",
    Permission.BILLING_READ: "see costs and invoices",
    Permission.BUDGET_CHECK: "compare costs with budgets",
    Permission.TRIAL_END: "end trials",
    Permission.BUDGET_MANAGE: "set the budget",
    Permission.CATALOGUE_MANAGE: "manage the catalogue and prices",
    Permission.CONTRACT_ASSIGN: "assign contracts",
    Permission.CREDIT_GRANT: "grant credits",
    Permission.DOMAIN_CLAIM: "claim and verify domains",
    Permission.DOMAIN_MANAGE: "move and end domain claims",
    Permission.DOMAIN_READ: "see the account's domain claims",
    Permission.EDGE_MANAGE: "manage edges",
    Permission.INVITATION_RESEND: "send invitations again",
    Permission.INVOICE_MANAGE: "draft, finalise and void invoices",
    Permission.LOGIN_OWN: "sign in and change your own login",
    Permission.MEMBER_INVITE: "invite people with any role",
    Permission.MEMBER_INVITE_ENGINEERS: "invite engineers and users through the API",
    Permission.MEMBER_MANAGE: "change roles and access of people",
    Permission.MEMBER_READ: "see the members",
    Permission.MEMBER_REMOVE: "remove and disable people, and withdraw invitations",
    Permission.PACKAGE_ASSIGN: "assign packages",
    Permission.PRODUCT_ENABLE: "enable and disable products",
    Permission.PRODUCT_REQUEST: "request products",
    Permission.PLATFORM_OPERATE: "rotate secrets and back up the database on the portal's machine",
    Permission.PROPOSAL_DECIDE: "propose and decide changes that need two members of staff",
    Permission.SERVICE_COMPARE: "compare versions",
    Permission.SERVICE_CONFIGURE: "configure services",
    Permission.SERVICE_CREATE: "create services",
    Permission.SERVICE_DEPLOY: "activate and deactivate versions",
    Permission.SERVICE_PURGE: "purge services",
    Permission.SERVICE_READ: "see services and their configuration",
    Permission.SERVICE_VCL: "see the content of VCL files and snippets",
    Permission.STATS_READ: "see usage figures",
    Permission.TOKEN_AUTOMATE: "create automation tokens",
    Permission.TOKEN_CHECK: "find API tokens that expire soon",
    Permission.TOKEN_MANAGE: "revoke other people's API tokens",
    Permission.TOKEN_OWN: "create your own API tokens",
    Permission.TOKEN_READ: "see other people's API tokens",
    Permission.TOKEN_SELF: "see and revoke the API token that you use",
    Permission.USER_RENAME: "change your own name",
    Permission.TOKEN_REVOKE: "revoke your own API tokens",
    Permission.USAGE_INGEST: "report usage",
    Permission.USAGE_RESOLVE: "resolve usage disputes",
    Permission.USAGE_VOID: "void usage that an edge reported",
    Permission.WEBHOOK_MANAGE: "manage webhooks",
    Permission.WEBHOOK_READ: "see webhooks",
    Permission.USER_MANAGE: "disable people, and appoint and remove staff",
}

# What each role can and cannot do, where a role is chosen.
ROLE_SUMMARIES: dict[Role, str] = {
    Role.USER: "Views services and usage. Cannot deploy, enable products or see costs.",
    Role.BILLING: "Sees costs and invoices, and sets the budget. Cannot deploy or enable products.",
    Role.ENGINEER: "Configures and deploys services. Cannot enable products or see costs.",
    Role.SUPERUSER: "Enables products, manages members, deploys services and sees costs.",
}


def roles_with(permission: Permission) -> tuple[Role, ...]:
    """Return the roles that have a permission, in the order of the table."""
    return tuple(role for role in Role if permission in ROLE_PERMISSIONS[role])


def gained_abilities(before: Role, after: Role) -> tuple[str, ...]:
    """Return the abilities that role `after` has and role `before` has not."""
    new = ROLE_PERMISSIONS[after] - ROLE_PERMISSIONS[before]
    return tuple(
        ABILITIES[permission] for permission in Permission if permission in new
    )
