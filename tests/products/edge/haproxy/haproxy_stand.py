"""An edge with the HAProxy engine whose agent can be killed and replaced."""

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import Edge, haproxies_in


def engine():
    """Return the arguments that choose the HAProxy engine."""
    return ["--engine", "haproxy", "--haproxy", program("haproxy")]


class HAProxyStand(Stand):
    """An edge with its portal whose agent can be killed and replaced."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__(folder, *engine())

    def wait_until_applied(self):
        """Wait until the agent reports the newest table's revision; return its status."""
        before = len(self.portal.statuses)  # these may be of another agent

        def applied():
            last = self.portal.statuses[before:][-1:]
            wanted = self.portal.table.revision
            return last and last[0].revision == wanted and last[0]

        return eventually(applied)

    def kill_agent(self):
        self.wait_until_applied()
        # A worker that exits while no agent runs takes its table with it.
        eventually(lambda: len(self.haproxies()) == 2)  # the master and one worker
        self.edge.process.kill()
        self.edge.process.wait(20)

    def start_agent(self, *more):
        bind = ["--bind", f"127.0.0.1:{self.edge.port}"]
        self.edge = Edge(self.portal, self.folder, *engine(), *bind, *more)

    def haproxies(self):
        """Return the process ids of this edge's HAProxy, the master first."""
        return haproxies_in(self.edge.data)
