"""A local AWS for the demo, the tests and the curious: see `Sandbox`.

    Sandbox (server)           life, environment, a test's controls
    ├── wire                   each request: counted, judged (access, policy, resources), answered
    │   ├── ssm, answers       managed instances and Run Command
    │   └── moto               everything else
    ├── commands, agent, steps life of a command; execution of a document's steps
    ├── hosts                  instances as they are now
    └── provision              deploys estate and artefacts

`estate` declares what there is, `hostfolder` builds a host's folder.
"""

from discovery.sandbox.serve import serve
from discovery.sandbox.server import Sandbox

__all__ = ["Sandbox", "serve"]
