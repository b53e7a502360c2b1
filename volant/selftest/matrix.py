"""The whole matrix, on several hosts at once. Each takes the next case; one on which a case went wrong is not used again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack

from volant.selftest.cases import Case
from volant.selftest.host import TrialHost, trial_host
from volant.selftest.trial import Outcome, Trials

NewHost = Callable[[], AbstractContextManager[TrialHost]]
NewTrials = Callable[[TrialHost], Trials]


class Matrix:
    """Runs `cases`; `tell` hears of each outcome as it comes, from any thread, one at a time."""

    def __init__(
        self,
        cases: Iterable[Case],
        *,
        tell: Callable[[Outcome], None] = lambda outcome: None,
        new_host: NewHost = trial_host,
        new_trials: NewTrials = Trials,
    ) -> None:
        self._todo = deque(cases)
        self._tell, self._new_host, self._new_trials = tell, new_host, new_trials
        self._outcomes: list[Outcome] = []
        self._failure: BaseException | None = None
        self._hosts: set[TrialHost] = set()
        self._lock = threading.Lock()
        self._ended = threading.Semaphore(0)
        self._stopping = False

    def run(self, hosts: int) -> list[Outcome]:
        """All outcomes, in the order in which they came. Raises what kept a host from being made.

        An interrupt leaves nothing behind; another one while that is seen to must be ignored by whoever handles signals.
        """
        threads = [threading.Thread(target=self._work, name=f"host-{number}") for number in range(min(hosts, len(self._todo)))]
        for thread in threads:
            thread.start()
        try:
            # Not `join`: CPython 3.11 takes a thread whose join was interrupted for one that has ended (bpo-45274).
            for _ in threads:
                self._ended.acquire()
        finally:
            self._stop()
            for thread in threads:
                thread.join()
        if self._failure is not None:
            raise self._failure
        return self._outcomes

    def _work(self) -> None:
        try:
            while self._todo and not self._stopping:
                with ExitStack() as stack:
                    self._use(self._made_host(stack))
        except BaseException as failure:
            self._failure = self._failure or failure
            self._stopping = True
        finally:
            self._ended.release()

    def _made_host(self, stack: ExitStack) -> TrialHost:
        host = stack.enter_context(self._new_host())
        stack.callback(self._hosts.discard, host)
        self._hosts.add(host)
        return host

    def _use(self, host: TrialHost) -> None:
        """Run cases on this host while there are any and none goes wrong."""
        trials = self._new_trials(host)
        trials.prepare()
        while not self._stopping:
            try:
                case = self._todo.popleft()
            except IndexError:
                return
            outcome = trials.run(case)
            if self._stopping:
                return
            with self._lock:
                self._outcomes.append(outcome)
                self._tell(outcome)
            if outcome.wrong:
                return

    def _stop(self) -> None:
        """Let every thread end soon: what it waits for is its daemon."""
        self._stopping = True
        for host in tuple(self._hosts):
            if host.daemon is not None:
                host.daemon.kill()
