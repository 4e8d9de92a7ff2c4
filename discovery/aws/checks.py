"""Single checks of what a run needs. Each returns what it found, or raises DiscoveryError.

Where that is possible a check is a call that a run makes too, so that it proves the permission.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from discovery import artefacts
from discovery.aws.errors import aws_errors
from discovery.aws.items import ConditionFailedError, conditional_write
from discovery.aws.run_command import find_document
from discovery.aws.session import Aws
from discovery.aws.store_clock import StoreClock, clock_warning
from discovery.errors import ConfigurationError, DiscoveryError
from discovery.model import Scope

_NEVER_STORED = "doctor"


def identity(aws: Aws) -> str:
    """Whose credentials these are."""
    with aws_errors():
        caller = aws.home("sts").get_caller_identity()
    return f"account {caller['Account']} as {caller['Arn']}"


def clock(aws: Aws) -> str:
    """How far this machine's clock is from DynamoDB's. Raises ConfigurationError when that is more
    than a minute."""
    time = StoreClock()
    time.ask(aws)
    if warning := clock_warning(time.machine_off):
        raise ConfigurationError(warning, hint="Set the clock, for example by NTP.")
    return "within a minute of DynamoDB's"


def table(aws: Aws, schema: str) -> str:
    """The table of the file `schema` has its keys and indexes, can be read, and can be written.

    The write is one whose condition never holds, so that it changes nothing.
    """
    wanted = artefacts.render(schema, aws.settings.placeholders())["Table"]
    name = wanted["TableName"]
    keys = [key["AttributeName"] for key in wanted["KeySchema"]]
    item = {key: {"S": _NEVER_STORED} for key in keys}
    client = aws.home("dynamodb")
    with aws_errors():
        client.get_item(TableName=name, Key=item)
        for index in wanted.get("GlobalSecondaryIndexes", ()):
            client.query(
                TableName=name,
                IndexName=index["IndexName"],
                KeyConditionExpression="#key = :value",
                ExpressionAttributeNames={"#key": index["KeySchema"][0]["AttributeName"]},
                ExpressionAttributeValues={":value": {"S": _NEVER_STORED}},
                Limit=1,
            )
    with suppress(ConditionFailedError), conditional_write():
        client.put_item(
            TableName=name, Item=item, ConditionExpression=f"attribute_exists({keys[0]})"
        )
    return f"{name} has the keys {' and '.join(keys)}, can be read and written"


def probe_object(aws: Aws) -> str:
    """The script bucket holds the probe of this version, byte for byte."""
    bucket = aws.settings.script_bucket
    if not bucket:
        raise ConfigurationError(
            "DISCOVERY_SCRIPT_BUCKET is not set",
            hint="Set it to the S3 bucket that holds the probe.",
        )
    key = artefacts.probe_key()
    with aws_errors():
        content: bytes = aws.home("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    found = hashlib.sha256(content).hexdigest()
    if found != artefacts.probe_sha256():
        raise DiscoveryError(
            f"s3://{bucket}/{key} has SHA-256 {found}",
            hint=f"Upload {artefacts.PROBE} there again, and find out who changed it.",
        )
    return f"s3://{bucket}/{key} is this version's"


def output_bucket(aws: Aws) -> str:
    """The bucket for long reports, if one is set, is there and can be listed."""
    bucket = aws.settings.output_bucket
    if not bucket:
        return "not set: a report beyond 24,000 characters will count as truncated"
    with aws_errors():
        aws.home("s3").list_objects_v2(Bucket=bucket, Prefix="output/", MaxKeys=1)
    return f"s3://{bucket} can be read"


def spoke_role(aws: Aws, account_id: str) -> str:
    """The spoke role of `account_id` can be assumed."""
    client = aws.spoke(account_id, "sts", aws.settings.home_region)
    with aws_errors():
        return str(client.get_caller_identity()["Arn"])


def instances(aws: Aws, scope: Scope) -> str:
    """EC2 lists instances to the spoke role."""
    client = aws.spoke(scope.account_id, "ec2", scope.region)
    with aws_errors():
        client.describe_instances(MaxResults=5)
    return "can be listed"


def managed_instances(aws: Aws, scope: Scope) -> str:
    """Systems Manager lists managed instances to the spoke role."""
    client = aws.spoke(scope.account_id, "ssm", scope.region)
    with aws_errors():
        client.describe_instance_information(MaxResults=5)
    return "can be listed"


def document(aws: Aws, scope: Scope) -> str:
    """The SSM document is there and is this version's."""
    found = find_document(aws, scope)
    return f"{found.name} version {found.version} is this version's"
