"""Which IAM actions a call needs, on which resources.

From the Service Authorization Reference, for the calls that the product makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from discovery.partitions import partition_of
from sandbox.call import Call

_S3_ACTIONS = {"HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket"}
_DOCUMENT_OPERATIONS = ("DescribeDocument", "GetDocument", "UpdateDocument", "DeleteDocument")
_BATCH_OPERATIONS = ("BatchGetItem", "BatchWriteItem")
_TRANSACT_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "ConditionCheck": "ConditionCheckItem",
}

Need = tuple[str, str, Mapping[str, str]]
"""Action, resource ARN or "*", condition context."""


def actions_of(call: Call, account: str) -> Iterator[Need]:
    """Everything that must be allowed for `call` by a principal of `account`."""
    if call.service == "s3":
        yield _s3(call)
    elif call.service == "dynamodb":
        prefix = f"{_arn('dynamodb', call.region)}:{account}:table/"
        for action, table in _tables(call):
            yield f"dynamodb:{action}", prefix + table, {}
    elif call.service == "sqs":
        queue = call.json.get("QueueUrl", "").rpartition("/")[2]
        yield call.name, f"{_arn('sqs', call.region)}:{account}:{queue}", {}
    elif call.name == "ssm:SendCommand":
        yield call.name, _document_arn(call.json.get("DocumentName", ""), call.region, account), {}
        for instance in call.json.get("InstanceIds", ()):
            yield call.name, _instance_arn(instance, call.region, account), {}
    elif call.service == "ssm" and call.operation in _DOCUMENT_OPERATIONS:
        yield call.name, _document_arn(call.json.get("Name", ""), call.region, account), {}
    else:
        yield call.name, "*", {}


def _document_arn(name: str, region: str, account: str) -> str:
    """The ARN of a document; the caller gives a name, or an ARN for another account's document."""
    if name.startswith("arn:"):
        return name
    return f"{_arn('ssm', region)}:{account}:document/{name}"


def _instance_arn(instance_id: str, region: str, account: str) -> str:
    """The ARN of a managed instance: EC2's, or Systems Manager's for a hybrid machine (`mi-`)."""
    if instance_id.startswith("mi-"):
        return f"{_arn('ssm', region)}:{account}:managed-instance/{instance_id}"
    return f"{_arn('ec2', region)}:{account}:instance/{instance_id}"


def _arn(service: str, region: str) -> str:
    return f"arn:{partition_of(region).name}:{service}:{region}"


def _s3(call: Call) -> Need:
    action = f"s3:{_S3_ACTIONS.get(call.operation, call.operation)}"
    arn = f"arn:{partition_of(call.region).name}:s3:::{call.s3_bucket}"
    if call.s3_key:
        return action, f"{arn}/{call.s3_key}", {}
    return action, arn, {"s3:prefix": call.form["prefix"]} if "prefix" in call.form else {}


def _tables(call: Call) -> Iterator[tuple[str, str]]:
    if call.operation in _BATCH_OPERATIONS:
        for table in call.json.get("RequestItems", {}):
            yield call.operation, table
    elif call.operation.startswith("Transact"):
        for item in call.json.get("TransactItems", ()):
            for kind, arguments in item.items():
                yield _TRANSACT_ACTIONS[kind], arguments["TableName"]
    elif "TableName" in call.json:
        table = call.json["TableName"]
        index = call.json.get("IndexName")
        yield call.operation, f"{table}/index/{index}" if index else table
    else:
        yield call.operation, "*"
