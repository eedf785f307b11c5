"""A fleet edge whose agent can be killed, and another take its place."""

from pathlib import Path

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import Edge


class FleetStand(Stand):
    """An edge whose agent can be killed, and another take its place."""

    def __init__(self, folder):
        self.place = folder
        self.more = ["--engine", "haproxy", "--haproxy", program("haproxy")]
        super().__init__(folder, *self.more)

    def settled(self):
        """Wait until the agent has done all that the table asks; give its status."""
        before = len(self.portal.statuses)  # it may be another agent's

        def look():
            last = self.portal.statuses[before:][-1:]
            wanted = self.portal.table.revision
            return last and last[0].revision == wanted and last[0]

        return eventually(look)

    def kill_agent(self):
        self.settled()
        # A worker that drains takes its table along when it ends and no agent is there.
        eventually(lambda: len(self.haproxies()) == 2)  # the master and one worker
        self.edge.process.kill()
        self.edge.process.wait()

    def new_agent(self):
        bind = ["--bind", f"127.0.0.1:{self.edge.port}"]
        self.edge = Edge(self.portal, self.place, *self.more, *bind)

    def haproxies(self):
        """List the processes of this edge's HAProxy, the master first."""
        return haproxies_in(self.edge.data)


def haproxies_in(data):
    """List the processes of the HAProxy of an edge's data folder, the master first."""
    mine = str(data / "haproxy").encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mine in words:
            found.append(int(folder.name))
    return sorted(found)
