"""Identity and access: callers, policies, and the decision whether a call is allowed."""

from sandbox.iam.authorization import INSTANCE_ROLE, MANAGEMENT_ROLE, Access
from sandbox.iam.policy import Principal, allows

__all__ = ["INSTANCE_ROLE", "MANAGEMENT_ROLE", "Access", "Principal", "allows"]
