"""Which connections have ended lately, in no more memory than that takes."""


class Ended:
    """The numbers of those that ended last: of so many at least, of twice as many at most."""

    def __init__(self, least: int) -> None:
        """Remember the last `least`."""
        self._least = least
        self._last: set[int] = set()
        self._before: set[int] = set()
        self._latest_ns = 0
        self._latest_before_ns = 0
        self.forgotten_to_ns = 0

    def __contains__(self, number: object) -> bool:
        """Whether a connection is remembered to have ended."""
        return number in self._last or number in self._before

    def __len__(self) -> int:
        """Give how many are remembered."""
        return len(self._last) + len(self._before)

    def forget_to(self, ended_ns: int) -> None:
        """Say that of those which had ended by then (monotonic) some are not known."""
        self.forgotten_to_ns = max(self.forgotten_to_ns, ended_ns)

    def add(self, number: int, ended_ns: int) -> None:
        """Remember one that had ended by then (monotonic).

        Whatever ended after `forgotten_to_ns` is remembered.
        """
        if len(self._last) >= self._least:
            self.forget_to(self._latest_before_ns)
            self._before, self._latest_before_ns = self._last, self._latest_ns
            self._last, self._latest_ns = set(), 0
        self._last.add(number)
        self._latest_ns = max(self._latest_ns, ended_ns)
