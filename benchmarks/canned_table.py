"""A DynamoDB that holds one finished run and so many databases, as a process: replies made once.

`python -m benchmarks.canned_table DATABASES` prints its address and serves until it is ended.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from pydantic import TypeAdapter

from discovery.aws.inventory import record_item
from discovery.aws.items import to_item
from discovery.aws.runs import host_item, run_key
from discovery.model import (
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    HostRecord,
    RunRecord,
    RunStatus,
)

_PAGE_BYTES = 1_000_000
_ACCOUNTS = 50
_NOW = datetime.now(UTC)
_RUN = "20260204T100000.000Z-4f1c2a"
_ENGINES = (("mysql", "8.0.35", 3306), ("postgresql", "15.4", 5432), ("redis", "7.2.4", 6379))


def _record(at: int) -> DatabaseRecord:
    engine, version, port = _ENGINES[at % len(_ENGINES)]
    return DatabaseRecord(
        account_id=f"{at % _ACCOUNTS + 1:012d}",
        instance_id=f"i-{at:017x}",
        region="eu-west-1",
        db_id=f"{engine}-{port}",
        discovery_timestamp=_NOW,
        discovery_status=DiscoveryStatus.SUCCESS,
        run_id=_RUN,
        run_order=1,
        first_seen=_NOW - timedelta(days=30),
        last_seen=_NOW,
        engine=engine,
        version=version,
        status=DatabaseStatus.RUNNING,
        port=port,
        listen=(f"0.0.0.0:{port}",),
        data_dir=f"/var/lib/{engine}",
        data_size_mb=2048.0 + at % 100,
        binary=f"/usr/sbin/{engine}d",
        config_file=f"/etc/{engine}/{engine}.cnf",
        owner=engine,
        memory_mb=612,
        instance_name=f"orders-db-{at}",
        hostname=f"ip-10-0-{at % 250}-{at % 240}",
        os_name="Ubuntu 22.04.4 LTS",
        kernel="5.15.0-1052-aws",
        architecture="x86_64",
        system_memory_mb=4096,
        system_cpu_cores=2,
        environment="production",
        tags={"Name": f"orders-db-{at}", "Environment": "production", "Owner": "orders"},
        evidence={"status": "process 812", "version": f"dpkg {engine} {version}"},
    )


def _host(record: DatabaseRecord) -> HostRecord:
    return HostRecord(
        record.account_id,
        record.region,
        record.instance_id,
        Coverage.SCANNED,
        _RUN,
        _NOW,
        name=record.instance_name,
        last_scanned=_NOW,
        databases=1,
    )


class Canned:
    """The replies: pages of the scan, and of each partition of the runs table."""

    def __init__(self, databases: int) -> None:
        serialize = TypeSerializer().serialize
        self.pages: list[bytes] = []
        page: list[Any] = []
        size = 0
        hosts: dict[str, list[Any]] = {}
        for at in range(databases):
            record = _record(at)
            item = serialize(record_item(record))["M"]
            length = len(json.dumps(item))
            if page and size + length > _PAGE_BYTES:
                self._add_page(page)
                page, size = [], 0
            page.append(item)
            size += length
            covered = host_item(_host(record), 90)
            hosts.setdefault(covered["pk"], []).append(serialize(covered)["M"])
        self._add_page(page)
        run = RunRecord(
            _RUN,
            RunStatus.SUCCEEDED,
            _NOW - timedelta(minutes=5),
            _NOW,
            "here",
            "benchmark",
            finished_at=_NOW,
            hosts_scanned=databases,
            databases=databases,
        )
        stored = to_item(TypeAdapter(RunRecord), replace(run, run_order=1)) | run_key(_RUN)
        self.partitions = {"RUNS": [serialize(stored)["M"]], **hosts}

    def _add_page(self, items: list[Any]) -> None:
        self.pages.append(json.dumps(items).encode())

    def reply(self, operation: str, asked: dict[str, Any]) -> bytes:
        """The body of the reply to `operation`."""
        if operation == "Scan":
            start = asked.get("ExclusiveStartKey", {}).get("page", {}).get("N", "0")
            at = int(start)
            more = at + 1 < len(self.pages)
            key = b',"LastEvaluatedKey":{"page":{"N":"%d"}}' % (at + 1) if more else b""
            return b'{"Items":' + self.pages[at] + b',"Count":1,"ScannedCount":1' + key + _USED
        if operation == "Query":
            value = asked["ExpressionAttributeValues"][":pk"]["S"]
            items = self.partitions.get(value, [])
            return json.dumps({"Items": items, "Count": len(items)}).encode()[:-1] + _USED
        return b"{" + _USED[1:]


_USED = b',"ConsumedCapacity":{"TableName":"t","CapacityUnits":1.0}}'


def main() -> None:
    """Serve."""
    canned = Canned(int(sys.argv[1]))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """One call."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].partition(".")[2]
            reply = canned.reply(operation, json.loads(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
