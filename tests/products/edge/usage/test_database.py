"""Opening the edge's SQLite files."""

import threading

from products.edge.usage.database import StoreBusy, connect

ROUNDS = 100
CONNECTIONS = 4


def test_connections_that_open_a_new_file_together_wait_for_each_other(tmp_path):
    failures = []

    def open_one(path, barrier):
        barrier.wait()
        try:
            connect(path, mode="rwc").close()
        except StoreBusy as error:
            failures.append(error)

    for number in range(ROUNDS):
        barrier = threading.Barrier(CONNECTIONS)
        opening = [
            threading.Thread(target=open_one, args=(tmp_path / f"{number}.db", barrier))
            for _ in range(CONNECTIONS)
        ]
        for thread in opening:
            thread.start()
        for thread in opening:
            thread.join()

    assert failures == []
