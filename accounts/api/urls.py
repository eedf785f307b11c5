"""The routes of this interface."""

from django.urls import path

from accounts.api.authorizations import Authorizations, OneAuthorization
from accounts.api.automation_tokens import (
    AutomationTokens,
    AutomationTokenServices,
    AutomationTokenWorkspaces,
    OneAutomationToken,
)
from accounts.api.events import Events, OneEvent
from accounts.api.invitations import Invitations, OneInvitation
from accounts.api.openid_configuration import OpenIdConfiguration
from accounts.api.sudo import Sudo
from accounts.api.tokens import CustomerTokens, OneToken, Tokens
from accounts.api.trail import TrailEntries
from accounts.api.users import (
    CurrentCustomer,
    CurrentUser,
    CustomerUsers,
    OneCustomer,
    OneUser,
    PasswordReset,
    Users,
)

urlpatterns = [
    path(
        "realms/fastly/.well-known/openid-configuration", OpenIdConfiguration.as_view()
    ),
    path("current_user", CurrentUser.as_view()),
    path("user", Users.as_view()),
    path("user/<str:login>/password/request_reset", PasswordReset.as_view()),
    path("user/<str:user_id>", OneUser.as_view()),
    path("current_customer", CurrentCustomer.as_view()),
    path("customer/<str:customer_id>", OneCustomer.as_view()),
    path("customer/<str:customer_id>/users", CustomerUsers.as_view()),
    path("customer/<str:customer_id>/tokens", CustomerTokens.as_view()),
    path("sudo", Sudo.as_view()),
    path("tokens", Tokens.as_view()),
    path("tokens/<str:token_id>", OneToken.as_view()),
    path("automation-tokens", AutomationTokens.as_view()),
    path("automation-tokens/<str:automation_id>", OneAutomationToken.as_view()),
    path(
        "automation-tokens/<str:automation_id>/services",
        AutomationTokenServices.as_view(),
    ),
    path(
        "automation-tokens/<str:automation_id>/workspaces",
        AutomationTokenWorkspaces.as_view(),
    ),
    path("invitations", Invitations.as_view()),
    path("invitations/<str:invitation_id>", OneInvitation.as_view()),
    path("service-authorizations", Authorizations.as_view()),
    path("service-authorizations/<str:authorization_id>", OneAuthorization.as_view()),
    path("events", Events.as_view()),
    path("events/<str:event_id>", OneEvent.as_view()),
    path("v1/trail", TrailEntries.as_view()),
]
