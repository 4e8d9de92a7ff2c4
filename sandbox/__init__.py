"""A local AWS for the demo, the tests and the curious: see `Sandbox`.

server      Sandbox: life, environment, a test's controls
app         each request: counted, judged, answered; moto answers what is not ours
iam/        who calls, and whether the deployed policies let them
ssm/        managed instances and Run Command: commands, the agent, a document's steps
estate/     what there is: `estate.toml` and what it means
host/       the folder that looks like a host's `/` to the probe
engines/    what each database server leaves on a host: package, process, files, binary
provision   deploys estate and artefacts into the sandbox's own endpoint
"""

from sandbox.serve import serve
from sandbox.server import Sandbox

__all__ = ["Sandbox", "serve"]
