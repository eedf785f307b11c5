"""The eight gates, each a pure function of the facts; `gate` asks them in this order."""

from dataclasses import replace

from accounts.policy import AnswerCode
from products.compatibility.findings import Problem, Severity
from products.deploy.verdict import CheckOutcome, DeployFacts, GateAnswer


def _answer(  # noqa: PLR0913 - the fields of an answer, in one place
    number: int,
    code: str,
    title: str,
    *,
    passed: bool,
    yes: str,
    no: str = "",
    remedy: str = "",
    who: tuple[str, ...] = (),
    problems: tuple[Problem, ...] = (),
) -> GateAnswer:
    if passed:
        return GateAnswer(number, code, title, CheckOutcome.PASSED, yes)
    return GateAnswer(
        number, code, title, CheckOutcome.FAILED, no, remedy, who, problems
    )


def _not_asked(number: int, code: str, title: str) -> GateAnswer:
    return GateAnswer(
        number,
        code,
        title,
        CheckOutcome.NOT_ASKED,
        "Not asked: this version does not use WebSockets.",
    )


def not_shown(answer: GateAnswer) -> GateAnswer:
    """Return a gate's answer for somebody who may not see what the version holds."""
    return replace(
        answer,
        state=CheckOutcome.NOT_ASKED,
        reason="Not shown: you have no access to this service.",
        remedy="",
        who=(),
        problems=(),
    )


def account_is_active(facts: DeployFacts) -> GateAnswer:
    """Gate 1: a suspended account deploys nothing."""
    return _answer(
        1,
        "account_active",
        "The account is active",
        passed=not facts.suspended,
        yes=f"{facts.account_name} is active.",
        no=f"{facts.account_name} is suspended: {facts.suspension_reason}",
        remedy="Write to the platform's support; they can lift the suspension.",
        who=("the platform's staff",),
    )


def product_is_enabled(facts: DeployFacts, *, uses: bool) -> GateAnswer:
    """Gate 2 (R2): off by default; a superuser enables it."""
    title = "WebSockets is enabled for the account"
    if not uses:
        return _not_asked(2, "product_enabled", title)
    return _answer(
        2,
        "product_enabled",
        title,
        passed=facts.product.is_on,
        yes="WebSockets is enabled for this account.",
        no="WebSockets is not enabled for this account.",
        remedy="Ask a superuser to enable it on the Products page.",
        who=facts.superusers,
    )


def nothing_stopped_it(facts: DeployFacts, *, uses: bool) -> GateAnswer:
    """Gate 3 (R16): a cap, the end of a trial or a blocking budget, noted on the enablement."""
    title = "No cap, trial end or budget stops it"
    if not uses:
        return _not_asked(3, "not_stopped", title)
    return _answer(
        3,
        "not_stopped",
        title,
        passed=facts.product.is_on and not facts.product.blocked_reason,
        yes="Nothing stops WebSockets for this account.",
        no=facts.product.blocked_reason or "There is no enablement that could be used.",
        remedy="A superuser can raise the limit, or enable the product.",
        who=facts.superusers,
    )


def role_allows(facts: DeployFacts) -> GateAnswer:
    """Gate 4 (R20): the role, and a token's scope, carry the permission."""
    if not facts.here.is_member:
        return _answer(
            4,
            "role",
            "Your role allows it",
            passed=False,
            yes="",
            no="You are not a member of this account.",
            remedy="Ask a superuser of the account for an invitation.",
        )
    answers = {answer.code: answer for answer in facts.answers}
    by_table = answers[AnswerCode.ROLE]
    token = answers[AnswerCode.TOKEN_SCOPE]
    by_token = not token.allowed
    return _answer(
        4,
        "role",
        "Your role allows it",
        passed=by_table.allowed and not by_token,
        yes=f"Your role is {facts.here.role}; it can activate and deactivate versions.",
        no=token.reason if by_token else by_table.reason,
        remedy=(
            "Use a token of a wider scope."
            if by_token
            else "A superuser can change your role, or somebody who may can deploy."
        ),
        who=() if by_token else facts.superusers,
    )


def access_covers(facts: DeployFacts) -> GateAnswer:
    """Gate 5 (R21): access limited to services covers this one, at the level needed."""
    title = "Your access covers this service"
    if not facts.here.is_member:
        return _answer(
            5,
            "service_access",
            title,
            passed=False,
            yes="",
            no="You have no access to it.",
        )
    answers = {answer.code: answer for answer in facts.answers}
    token = answers[AnswerCode.TOKEN_SERVICES]
    by_token = not token.allowed
    answer = answers[AnswerCode.SERVICE_ACCESS]
    return _answer(
        5,
        "service_access",
        title,
        passed=answer.allowed and not by_token,
        yes="Your access covers this service, at the level that deploying needs.",
        no=token.reason if by_token else answer.reason,
        remedy="A superuser can give you full access to this service.",
        who=facts.superusers,
    )


def service_is_switched_on(facts: DeployFacts, *, uses: bool) -> GateAnswer:
    """Gate 6 (R4): the service has the product switched on."""
    title = "WebSockets is on for this service"
    if not uses:
        return _not_asked(6, "service_switch", title)
    return _answer(
        6,
        "service_switch",
        title,
        passed=facts.switched_on,
        yes="WebSockets is switched on for this service.",
        no="This version says return(upgrade), but WebSockets is off for this service.",
        remedy="Switch WebSockets on for the service, or take return(upgrade) out.",
        who=facts.configurers,
    )


def version_is_complete(facts: DeployFacts) -> GateAnswer:
    """Gate 7: a domain, a backend, and no domain that is live elsewhere."""
    missing = [
        sentence
        for sentence, lacks in (
            ("Version has no associated domains.", not facts.config.domains),
            ("Version has no associated backends.", not facts.config.backends),
            ("This version is active already.", facts.active),
        )
        if lacks
    ]
    missing += [
        f"The domain {name} is live in another service." for name in facts.taken_domains
    ]
    return _answer(
        7,
        "version_complete",
        "The version can be activated",
        passed=not missing,
        yes="It has a domain and a backend, and its domains are free.",
        no=" ".join(missing),
        remedy="Edit a draft: give it a domain of its own and a backend.",
        who=facts.configurers,
    )


def no_rule_is_broken(facts: DeployFacts, *, uses: bool) -> GateAnswer:
    """Gate 8 (R6–R9): every conflict at once."""
    title = "No compatibility rule is broken"
    if not uses:
        return _not_asked(8, "compatibility", title)
    blocking = tuple(p for p in facts.problems if p.severity is Severity.BLOCKS)
    return _answer(
        8,
        "compatibility",
        title,
        passed=not blocking,
        yes="Nothing in this version conflicts with WebSockets.",
        no=" ".join(problem.message for problem in blocking),
        remedy=" ".join(dict.fromkeys(problem.fix for problem in blocking)),
        who=facts.configurers,
        problems=blocking,
    )
