"""What the operations on users, tokens and the audit trail read and answer."""

from collections.abc import Mapping
from typing import Final

from accounts.actor import TokenScope
from accounts.api.authorizations import Authorizations, OneAuthorization
from accounts.api.automation_tokens import (
    AutomationTokenPage,
    AutomationTokenReader,
    AutomationTokens,
    AutomationTokenServices,
    AutomationTokenWorkspaces,
    OneAutomationToken,
    WorkspacePage,
)
from accounts.api.events import (
    EVENT_TYPES,
    ORDERS,
    SEQUENCE_BOUNDS,
    Events,
    OneEvent,
)
from accounts.api.invitations import Invitations, OneInvitation
from accounts.api.json_api import MAX_BULK
from accounts.api.openid_configuration import OpenIdConfiguration
from accounts.api.pagination import DEFAULT_SIZE, MAX_PAGE_NUMBER, MAX_PAGE_SIZE
from accounts.api.sudo import Sudo
from accounts.api.tokens import CustomerTokens, NewToken, OneToken, Tokens
from accounts.api.trail import TrailEntries, TrailQuery
from accounts.api.users import (
    CurrentCustomer,
    CurrentUser,
    CustomerUsers,
    OneCustomer,
    OneUser,
    PasswordReset,
    UserReader,
    Users,
)
from accounts.audit.reader import MAX_SEQUENCE
from accounts.paging import PageReader
from accounts.roles import AUTOMATION_ROLES, AccessLevel, Role
from portal.openapi.kinds import STATUS_OK, times
from portal.openapi.schemas import (
    JSON,
    JSON_API,
    Described,
    Schema,
    anything,
    array,
    choice,
    document,
    documents,
    flag,
    moment,
    nullable,
    obj,
    paged,
    ref,
    relation,
    text,
    whole,
)

ROLE: Final = choice(*Role)
LEVEL: Final = choice(*AccessLevel)
CREDENTIALS: Final = {
    "username": text("Your email address; that of the token's owner if left out."),
    "password": text(),
}


def resource(
    kind: str,
    attributes: Schema,
    relationships: Mapping[str, Schema] | None = None,
) -> Schema:
    """Return the schema of a JSON:API resource in a response."""
    always = {"id": text(), "type": choice(kind), "attributes": attributes}
    if relationships is None:
        return obj(always)
    return obj(always | {"relationships": obj(relationships)})


SCHEMAS: Final[dict[str, Schema]] = {
    "User": obj(
        {
            "id": text(),
            "name": text(),
            "login": text("The email address."),
            "customer_id": text(),
            "role": ROLE,
            "roles": array(ROLE),
            "limit_services": flag("Whether access is limited to certain services."),
            "locked": flag("Also true for a user who has not accepted the invitation."),
            "require_new_password": flag(),
            "two_factor_auth_enabled": nullable(flag()),
            "last_active_at": nullable(moment()),
        }
        | times()
    ),
    "Customer": obj(
        {
            "id": text(),
            "name": text(),
            "billing_contact_id": nullable(text()),
            "technical_contact_id": nullable(text()),
            "security_contact_id": nullable(text()),
            "legal_contact_id": nullable(text()),
            "billing_network_type": text(),
            "billing_ref": nullable(text()),
            "can_upload_vcl": flag(),
            "can_reset_passwords": flag(),
            "force_2fa": flag("Whether users must have a second factor."),
            "force_sso": flag(),
            "has_account_panel": flag(),
            "has_pci": flag(),
            "ip_whitelist": text(),
            "postal_address": nullable(text()),
            "pricing_plan": text(),
        }
        | times()
    ),
    "Token": obj(
        {
            "id": text(),
            "customer_id": text(),
            "name": text(),
            "scope": choice(*TokenScope),
            "scopes": array(choice(*TokenScope)),
            "services": array(text(), "Empty: all services."),
            "service_id": nullable(text()),
            "created_at": moment(),
            "sudo_expires_at": nullable(moment()),
        },
        {
            "user_id": text("Missing: it is an automation token."),
            "expires_at": moment("Missing: it does not expire."),
            "last_used_at": moment(),
            "ip": text("The address of the last use."),
            "user_agent": text(),
        },
    ),
    "AutomationToken": obj(
        {
            "id": text(),
            "customer_id": text(),
            "name": text(),
            "role": choice(*AUTOMATION_ROLES),
            "roles": array(obj({"id": text(), "name": text()})),
            "scope": choice(*TokenScope),
            "services": array(text(), "Empty: all services."),
            "limit_services": flag(),
            "workspaces": array(text()),
            "limit_workspaces": flag(),
            "tls_access": flag(),
            "created_at": moment(),
        },
        {
            "expires_at": moment(),
            "last_used_at": moment(),
            "ip": text(),
            "user_agent": text(),
        },
    ),
    "Event": resource(
        "event",
        obj(
            {
                "admin": flag("Whether a member of staff acted."),
                "created_at": moment(),
                "customer_id": text(),
                "description": text(),
                "event_type": text(),
                "metadata": anything("What changed."),
            },
            {name: text() for name in ("service_id", "user_id", "token_id", "ip")},
        ),
    ),
    "Invitation": resource(
        "invitation",
        obj(
            {
                "email": text(),
                "role": ROLE,
                "limit_services": flag(),
                "status_code": choice(0, 1, description="1 while it can be accepted."),
            }
            | times()
        ),
        {
            "customer": relation("customer"),
            "service_invitations": obj({"data": array(anything())}),
        },
    ),
    "Authorization": resource(
        "service_authorization",
        obj({"permission": LEVEL} | times()),
        {"service": relation("service"), "user": relation("user")},
    ),
    "TrailEntry": obj(
        {
            "sequence": whole(minimum=1),
            "event_hash": text(),
            "prev_hash": text(),
            "sentence": text("What happened, as on the Activity page; not hashed."),
        },
        description="An entry: its hashes, its sentence, and the fields of the text that is hashed.",
    ),
}

PAGE: Final = {
    "page[number]": whole(minimum=1, maximum=MAX_PAGE_NUMBER, default=1),
    "page[size]": whole(minimum=1, maximum=MAX_PAGE_SIZE, default=DEFAULT_SIZE),
}
FILTERS: Final = {
    f"filter[{name}]": text()
    for name in ("customer_id", "service_id", "user_id", "token_id")
} | {"filter[event_type]": choice("", *EVENT_TYPES)}
TIMES: Final = {
    f"filter[created_at]{limit}": moment()
    for limit in ("", "[gt]", "[gte]", "[lt]", "[lte]")
}
SEQUENCES: Final = {
    f"filter[sequence][{bound}]": whole(minimum=0, maximum=MAX_SEQUENCE)
    for bound in SEQUENCE_BOUNDS
}
IDS: Final = obj(
    {"data": array(obj({"id": text(minLength=1)}), minItems=1, maxItems=MAX_BULK)}
)
LEVEL_OF: Final = obj({"permission": LEVEL})
ONE_LEVEL: Final = document(obj({"attributes": LEVEL_OF}))
LEVELS: Final = obj(
    {
        "data": array(
            obj({"id": text(minLength=1), "attributes": LEVEL_OF}),
            minItems=1,
            maxItems=MAX_BULK,
        )
    }
)
NEW_AUTHORIZATION: Final = document(
    obj(
        {
            "attributes": LEVEL_OF,
            "relationships": obj(
                {"service": relation("service"), "user": relation("user")}
            ),
        }
    )
)
SERVICE_INVITATION: Final = obj(
    {
        "attributes": LEVEL_OF,
        "relationships": obj({"service": relation("service")}),
    }
)
NEW_INVITATION: Final = document(
    obj(
        {
            "attributes": obj(
                {"email": text(format="email"), "role": ROLE},
                {"limit_services": nullable(flag())},
            )
        },
        {
            "relationships": nullable(
                obj(
                    {},
                    {
                        "customer": nullable(relation("customer")),
                        "service_invitations": nullable(
                            obj({}, {"data": nullable(array(SERVICE_INVITATION))})
                        ),
                    },
                )
            )
        },
    )
)
JSON_API_BODIES: Final = (JSON_API, JSON)


def json_api(answer: Schema | None, **more: object) -> Described:
    """Return the description of an operation in JSON:API."""
    kind = {"media_type": JSON_API, "bodies": JSON_API_BODIES}
    return Described(answer=answer, **kind | more)  # type: ignore[arg-type]


GONE: Final = Described(answer=None, status=204)
USER: Final = ref("User")
CUSTOMER: Final = ref("Customer")
TOKEN: Final = ref("Token")
AUTOMATION: Final = ref("AutomationToken")
COUNTS: Final = {
    name: whole()
    for name in ("current_page", "per_page", "record_count", "total_pages")
}

OPERATIONS: Final[Mapping[tuple[type, str], Described]] = {
    (OpenIdConfiguration, "GET"): Described(answer=anything()),
    (CurrentUser, "GET"): Described(answer=USER),
    (Users, "POST"): Described(
        answer=USER,
        body=UserReader,
        more={"customer_id": text("That of your account, if it is sent.")},
        needed=("login", "name"),
    ),
    (OneUser, "GET"): Described(answer=USER),
    (OneUser, "PUT"): Described(answer=USER, body=UserReader),
    (OneUser, "DELETE"): Described(answer=STATUS_OK),
    (PasswordReset, "POST"): Described(answer=STATUS_OK),
    (CurrentCustomer, "GET"): Described(answer=CUSTOMER),
    (OneCustomer, "GET"): Described(answer=CUSTOMER),
    (OneCustomer, "PUT"): Described(
        answer=CUSTOMER, body=obj({}, {"name": text(minLength=1)})
    ),
    # It is always refused.
    (OneCustomer, "DELETE"): Described(answer=STATUS_OK),
    (CustomerUsers, "GET"): Described(answer=array(USER), query=PageReader),
    (CustomerTokens, "GET"): Described(answer=array(TOKEN), query=PageReader),
    (Sudo, "POST"): Described(
        answer=obj({"expiry_time": moment()}), body=obj({}, CREDENTIALS)
    ),
    (Tokens, "GET"): Described(answer=array(TOKEN), query=PageReader),
    (Tokens, "POST"): Described(
        answer={
            "allOf": [TOKEN, obj({"access_token": text(), "updated_at": moment()})]
        },
        body=NewToken,
        more=CREDENTIALS,
    ),
    (Tokens, "DELETE"): Described(
        answer=None, status=204, body=IDS, bodies=JSON_API_BODIES
    ),
    (OneToken, "GET"): Described(answer=TOKEN),
    (OneToken, "DELETE"): GONE,
    (AutomationTokens, "GET"): Described(
        answer=obj({"data": array(AUTOMATION), "meta": obj(COUNTS)}),
        query=AutomationTokenPage,
    ),
    (AutomationTokens, "POST"): Described(
        answer={"allOf": [AUTOMATION, obj({"access_token": text()})]},
        body=AutomationTokenReader,
    ),
    (OneAutomationToken, "GET"): Described(answer=AUTOMATION),
    (OneAutomationToken, "DELETE"): GONE,
    (AutomationTokenServices, "GET"): Described(
        answer=obj({"data": array(text())}), query=AutomationTokenPage
    ),
    (AutomationTokenWorkspaces, "GET"): Described(
        answer=obj(
            {
                "data": array(anything()),
                "meta": obj(
                    {
                        "limit": whole(),
                        "next_cursor": text(),
                        "previous_cursor": text(),
                    }
                ),
            }
        ),
        query=WorkspacePage,
    ),
    (Invitations, "GET"): json_api(documents(ref("Invitation")), query=PAGE),
    (Invitations, "POST"): json_api(document(ref("Invitation")), body=NEW_INVITATION),
    (OneInvitation, "DELETE"): GONE,
    (Authorizations, "GET"): json_api(documents(ref("Authorization")), query=PAGE),
    (Authorizations, "POST"): json_api(
        document(ref("Authorization")), body=NEW_AUTHORIZATION
    ),
    (Authorizations, "PATCH"): json_api(
        obj({"data": array(ref("Authorization"))}), body=LEVELS
    ),
    (Authorizations, "DELETE"): json_api(None, status=204, body=IDS),
    (OneAuthorization, "GET"): json_api(document(ref("Authorization"))),
    (OneAuthorization, "PATCH"): json_api(
        document(ref("Authorization")), body=ONE_LEVEL
    ),
    (OneAuthorization, "DELETE"): GONE,
    (Events, "GET"): json_api(
        documents(ref("Event")),
        query=PAGE | {"sort": choice(*ORDERS)} | FILTERS | TIMES | SEQUENCES,
    ),
    (OneEvent, "GET"): json_api(document(ref("Event"))),
    (TrailEntries, "GET"): Described(answer=paged(ref("TrailEntry")), query=TrailQuery),
}
