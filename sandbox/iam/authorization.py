"""Who calls, and whether the deployed IAM policies allow the call.

moto keeps IAM's records but evaluates neither resources, conditions nor trust. The sandbox does,
for the part of the policy language that the deployable policies use, and denies the rest.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from discovery.artefacts import MAX_SESSION_POLICY
from sandbox.call import AwsFaultError, Call
from sandbox.iam.actions import actions_of
from sandbox.iam.policy import Policy, Principal, allows, parse

MANAGEMENT_ROLE = "DBDiscoveryLambdaRole"
INSTANCE_ROLE = "DBDiscoveryInstanceRole"
_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Access:
    """Authenticates and authorizes calls in the accounts of one sandbox."""

    def __init__(
        self, accounts: Iterable[str], suspended: Iterable[str] = (), partition: str = "aws"
    ) -> None:
        self._accounts = frozenset(accounts)
        self._suspended = frozenset(suspended)
        self._partition = partition
        self._sessions: dict[str, Principal] = {}

    def issue_key(self, account: str, role: str | None = None) -> str:
        """A new access key of a session of `role`, or of the account's owner for None.

        The owner may do everything in the account. The key cannot be guessed: whoever holds an
        owner's key can run commands as the user of this process.
        """
        key = "ASIA" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(16))
        self._sessions[key] = Principal(account, role, partition=self._partition)
        return key

    def caller(self, call: Call) -> Principal:
        """Whose credentials sign the call. Raises AwsFaultError for unknown ones."""
        if not call.access_key:
            raise AwsFaultError(
                "MissingAuthenticationToken", "Missing Authentication Token", status=403
            )
        principal = self._sessions.get(call.access_key) or self._assumed(call.access_key)
        if principal is None:
            raise _unknown_credentials(call)
        return principal

    def check(self, principal: Principal, call: Call) -> None:
        """Raises AwsFaultError unless every action that the call needs is allowed."""
        if call.name == "sts:AssumeRole":
            self._check_assume_role(principal, call)
        elif principal.role is not None and call.name != "sts:GetCallerIdentity":
            for action, resource, context in actions_of(call, principal.account):
                denied = self._denied_by(principal, action, resource, context)
                if denied:
                    raise _access_denied(call, principal, action, resource, denied)

    def _denied_by(
        self, principal: Principal, action: str, resource: str, context: Mapping[str, str]
    ) -> str | None:
        """The kind of policy that does not allow the action; None when all do."""
        if not allows(_role_policies(principal), action, resource, context):
            return "identity-based"
        if principal.session_policy is None:
            return None
        session = [parse(principal.session_policy)]
        return None if allows(session, action, resource, context) else "session"

    def _check_assume_role(self, principal: Principal, call: Call) -> None:
        role_arn = call.form.get("RoleArn", "")
        policy = call.form.get("Policy", "")
        if len(policy) > MAX_SESSION_POLICY:
            raise AwsFaultError(
                "ValidationError",
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_SESSION_POLICY}",
            )
        if not self._may_assume(principal, role_arn, call.form):
            raise AwsFaultError(
                "AccessDenied",
                f"User: {principal.arn} is not authorized to perform: sts:AssumeRole "
                f"on resource: {role_arn}",
                status=403,
            )

    def _may_assume(self, principal: Principal, role_arn: str, form: Mapping[str, str]) -> bool:
        account, _, name = role_arn.removeprefix(f"arn:{self._partition}:iam::").partition(":role/")
        if account not in self._accounts or account in self._suspended:
            return False
        try:
            trust = (
                iam_backends[account][self._partition].get_role(name).assume_role_policy_document
            )
        except NotFoundException:
            return False
        context = {"sts:ExternalId": form["ExternalId"]} if "ExternalId" in form else {}
        trusted = allows([parse(trust)], "sts:AssumeRole", None, context, principal)
        if principal.role is None:
            return trusted
        return trusted and allows(_role_policies(principal), "sts:AssumeRole", role_arn, {})

    def _assumed(self, access_key: str) -> Principal | None:
        for account in self._accounts:
            role = sts_backends[account][self._partition].get_assumed_role_from_access_key(
                access_key
            )
            if role is not None:
                principal = Principal(
                    account,
                    role.role_arn.rpartition("/")[2],
                    role.session_name,
                    role.policy,
                    self._partition,
                )
                self._sessions[access_key] = principal
                return principal
        return None


def _role_policies(principal: Principal) -> list[Policy]:
    try:
        role = iam_backends[principal.account][principal.partition].get_role(principal.role or "")
    except NotFoundException:
        return []
    return [parse(text) for text in role.policies.values()]


def _unknown_credentials(call: Call) -> AwsFaultError:
    message = "The security token included in the request is invalid."
    if call.service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return AwsFaultError("InvalidAccessKeyId", message, status=403)
    if call.target:
        return AwsFaultError("UnrecognizedClientException", message)
    if call.service == "ec2":
        return AwsFaultError(
            "AuthFailure", "AWS was not able to validate the credentials", status=401
        )
    return AwsFaultError("InvalidClientTokenId", message, status=403)


def _access_denied(
    call: Call, principal: Principal, action: str, resource: str, denied: str
) -> AwsFaultError:
    on = "" if resource == "*" else f" on resource: {resource}"
    message = (
        f"User: {principal.arn} is not authorized to perform: {action}{on} "
        f"because no {denied} policy allows the {action} action"
    )
    if call.service == "ec2":
        message = f"You are not authorized to perform this operation. {message}"
        return AwsFaultError("UnauthorizedOperation", message, status=403)
    if call.service == "organizations":
        message = "You don't have permissions to access this resource."
    if call.target:
        return AwsFaultError("AccessDeniedException", message)
    return AwsFaultError("AccessDenied", message, status=403)
