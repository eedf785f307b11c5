"""The routes of this interface."""

from django.urls import URLPattern, path, register_converter
from django.urls.converters import StringConverter

from accounts.web import (
    activity,
    join,
    members,
    notices,
    offboarding,
    profile,
    security_policy,
    session,
    tokens,
)


class OpaqueId(StringConverter):
    """An id of 22 characters; anything else gives 404 without a query."""

    regex = "[0-9A-Za-z]{22}"


register_converter(OpaqueId, "opaque")

urlpatterns: list[URLPattern] = [
    path("switch/", session.switch_account, name="switch_account"),
    path("theme/", session.set_theme, name="set_theme"),
    path("members/", members.members, name="members"),
    path("members/invite/", members.invite, name="invite"),
    path(
        "members/invitations/<opaque:invitation_id>/resend/",
        members.resend_invitation,
        name="resend_invitation",
    ),
    path(
        "members/invitations/<opaque:invitation_id>/revoke/",
        members.revoke_invitation,
        name="revoke_invitation",
    ),
    path("members/<opaque:membership_id>/", members.member, name="member"),
    path(
        "members/<opaque:membership_id>/remove/",
        members.remove_member,
        name="remove_member",
    ),
    path(
        "members/<opaque:membership_id>/offboard/<slug:deed>/",
        offboarding.offboard,
        name="offboard",
    ),
    path("join/<str:key>/", join.join, name="join"),
    path("api-tokens/", tokens.tokens, name="tokens"),
    path("api-tokens/new/", tokens.new_token, name="new_token"),
    path(
        "api-tokens/automation/new/",
        tokens.new_automation_token,
        name="new_automation_token",
    ),
    path(
        "api-tokens/<opaque:token_id>/created/",
        tokens.token_created,
        name="token_created",
    ),
    path(
        "api-tokens/<opaque:token_id>/revoke/", tokens.revoke_token, name="revoke_token"
    ),
    path("account/security/", security_policy.security_policy, name="security_policy"),
    path("profile/", profile.profile, name="profile"),
    path(
        "profile/date-format/", profile.choose_own_date_format, name="own_date_format"
    ),
    path("profile/time-zone/", profile.choose_own_time_zone, name="own_time_zone"),
    path("notices/", notices.notices, name="notices"),
    path("notices/read/", notices.mark_notices_read, name="read_notices"),
    path("notices/settings/", notices.notice_settings, name="notice_settings"),
    path("activity/", activity.activity, name="activity"),
    path("activity/verify/", activity.verify_activity, name="verify_activity"),
    path("activity/<int:sequence>/", activity.activity_entry, name="activity_entry"),
]
