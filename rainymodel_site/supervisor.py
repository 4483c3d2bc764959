"""Keeps worker processes alive on one listening socket, and stops them gently.

Plain Python without Django: it must outlive whatever goes wrong in a worker. SIGTERM or SIGINT stops, a second SIGINT
hurries, SIGHUP replaces the workers one by one without refusing a request (but stops when it means that the terminal
is gone).
"""

import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from rainymodel_site.preflight import CannotStart, check_room
from rainymodel_site.understudy import CUE, Understudy
from rainymodel_site.workers import READY, UNCONFIGURED, Slot, Worker, start_worker

log = structlog.get_logger("rainymodel_site.supervisor")
HURRY_AFTER = 1.0  # seconds; an earlier second SIGINT is the same Ctrl-C arriving twice


class Supervisor:
    """Runs `count` workers until told to stop; `patience` is how long one may take to end.

    `on_ready` is called once, when every worker serves. `hangup_stops` is for a supervisor that a terminal started.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        count: int,
        patience: float,
        app: str,
        on_ready: Callable[[], None] = lambda: None,
        hangup_stops: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener, self._patience, self._app = listener, patience, app
        self._on_ready, self._hangup_stops, self._clock = on_ready, hangup_stops, clock
        self._slots = [Slot(number) for number in range(1, count + 1)]
        self._leaving: list[Worker] = []
        self._rolling: list[Slot] = []
        self._selector = selectors.DefaultSelector()
        self._understudy = Understudy(listener, self._selector, clock)
        self._stopping_since: float | None = None
        self._was_ready = False
        self._exit_code = 0

    def run(self) -> int:
        """Serve until stopped; the exit code of the whole. A machine without room is told in one sentence."""
        try:
            check_room()
        except CannotStart as error:
            sys.stderr.write(f"RainyModel cannot start: {error}\n")
            return 1
        with self._signals():
            while not self._finished():
                self._start_what_is_due()
                self._stand_in()
                self._wait()
                self._reap()
                self._roll()
                self._kill_overdue()
                self._announce()
        return self._exit_code

    def stop(self) -> None:
        """Tell every worker to finish; nothing is started any more."""
        if self._stopping_since is None:
            self._stopping_since = self._clock()
            self._understudy.leave()
            self._listener.close()  # so that the port is free as soon as the last worker leaves it
            for worker in self._workers():
                self._dismiss(worker)

    def _finished(self) -> bool:
        return self._stopping_since is not None and not list(self._workers())

    def _workers(self) -> Iterator[Worker]:
        for slot in self._slots:
            yield from slot.workers()
        yield from self._leaving

    def _start_what_is_due(self) -> None:
        if self._stopping_since is not None:
            return
        for slot in self._slots:
            if slot.worker is None and slot.due <= self._clock():
                slot.worker = self._try_to_start(slot)

    def _stand_in(self) -> None:
        """While workers die again and again and none is even starting, clients are told so.

        While one starts, requests wait in the listening socket's queue: most starts succeed.
        """
        if self._stopping_since is not None:
            return
        failing = any(slot.failures >= CUE for slot in self._slots)
        nobody = not any(worker for slot in self._slots for worker in slot.workers())
        due = min(slot.due for slot in self._slots)
        self._understudy.play(failing and nobody, retry_after=due - self._clock())

    def _try_to_start(self, slot: Slot) -> Worker | None:
        """A worker for this place; None when the system gives no process now, which is tried again in a second."""
        try:
            return self._start(slot.number)
        except OSError as error:
            log.error("a worker could not be started", number=slot.number, problem=str(error))
            slot.due = self._clock() + 1.0
            return None

    def _start(self, number: int) -> Worker:
        worker = start_worker(number, self._listener, self._app, self._clock())
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        return worker

    def _wait(self) -> None:
        """Until a signal, a word from a worker, a worker's end, or the next thing that is due."""
        for key, _ in self._selector.select(self._patience_now()):
            if isinstance(key.data, Worker):
                self._hear(key.data)
            elif key.data is self._understudy:
                self._understudy.attend(key.fileobj)
            else:
                self._obey(self._signal_inbox.recv(64))

    def _patience_now(self) -> float | None:
        now = self._clock()
        moments = [slot.due for slot in self._slots if slot.worker is None and self._stopping_since is None]
        moments += [
            worker.dismissed + self._patience for worker in self._workers() if worker.dismissed is not None
        ]
        moments += self._understudy.moments()
        return max(0.0, min(moments) - now) if moments else None

    def _hear(self, worker: Worker) -> None:
        """READY, or the end of the channel, which comes shortly before the end of the process."""
        if worker.hear() == READY:
            worker.ready = True
            log.debug("worker is ready", number=worker.number, pid=worker.process.pid)
        elif worker.channel_ended:
            self._selector.unregister(worker.channel)

    def _obey(self, signals: bytes) -> None:
        for number in signals:
            if number == signal.SIGHUP and not self._hangup_stops:
                self._rolling = self._rolling or [slot for slot in self._slots if slot.worker]
            elif number == signal.SIGINT and self._is_impatient():
                log.warning("stopping at once")
                self._kill(list(self._workers()))
            elif number in {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}:
                self.stop()

    def _is_impatient(self) -> bool:
        return self._stopping_since is not None and self._clock() - self._stopping_since > HURRY_AFTER

    def _reap(self) -> None:
        for slot in self._slots:
            for worker in [worker for worker in slot.workers() if worker.process.poll() is not None]:
                self._farewell(worker)
                slot.lose(worker)
                if worker.dismissed is None:
                    self._worker_died(slot, worker)
        for worker in [worker for worker in self._leaving if worker.process.poll() is not None]:
            self._farewell(worker)
            self._leaving.remove(worker)

    def _farewell(self, worker: Worker) -> None:
        if worker.channel in self._selector.get_map():
            self._selector.unregister(worker.channel)
        worker.channel.close()

    def _worker_died(self, slot: Slot, worker: Worker) -> None:
        code = worker.process.returncode
        if code == UNCONFIGURED and not self._was_ready:
            self._exit_code = 1  # it has said what is wrong, and would say it again
            self.stop()
            return
        self._give_up_rolling()
        if code == 0 and worker.ready:  # somebody else told it to finish, and it did so in order
            log.warning("worker ended", number=slot.number, pid=worker.process.pid)
            slot.due = self._clock()
            return
        wait = slot.back_off(worker, self._clock())
        log.error("worker died", number=slot.number, pid=worker.process.pid, exit=code, restart_in=wait)

    def _give_up_rolling(self) -> None:
        """Only those whose successor is on its way are still replaced."""
        left = [slot for slot in self._rolling if slot.successor]
        if len(left) < len(self._rolling):
            log.warning("replacing workers was given up", left=len(self._rolling) - len(left))
        self._rolling = left

    def _roll(self) -> None:
        """Replace the first worker in line: its successor first, so that no request is refused."""
        if not self._rolling or self._stopping_since is not None:
            return
        slot = self._rolling[0]
        if slot.successor is None:
            slot.successor = self._try_to_start(slot)
            if slot.successor is None:
                self._give_up_rolling()
        elif slot.successor.ready:
            old, slot.worker, slot.successor = slot.worker, slot.successor, None
            self._rolling.pop(0)
            if old:
                self._leaving.append(old)
                self._dismiss(old)
            log.info("worker replaced", number=slot.number)

    def _dismiss(self, worker: Worker) -> None:
        if worker.dismissed is None:
            worker.dismissed = self._clock()
            worker.process.terminate()

    def _kill_overdue(self) -> None:
        now = self._clock()
        overdue = [
            w for w in self._workers() if w.dismissed is not None and now >= w.dismissed + self._patience
        ]
        if overdue:
            log.error("killing workers that did not stop", numbers=[worker.number for worker in overdue])
            self._kill(overdue)

    def _kill(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()

    def _announce(self) -> None:
        if not self._was_ready and all(slot.worker and slot.worker.ready for slot in self._slots):
            self._was_ready = True
            self._on_ready()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals become bytes on a socket, so that one wait covers them and the workers' words."""
        self._signal_inbox, outbox = socket.socketpair()
        outbox.setblocking(False)
        self._selector.register(self._signal_inbox, selectors.EVENT_READ)
        numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        before_fd = signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            self._signal_inbox.close()
            outbox.close()
