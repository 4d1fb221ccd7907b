"""Times and orders of what a scenario saw, and requests that are answered later."""
import threading
import time


def now():
    """Seconds on the host's monotonic clock; every event of a run is stamped with it."""
    return time.monotonic()


class Event:
    """One thing that happened: when, to whom, what, and details for a person."""

    __slots__ = ("at", "who", "what", "detail")

    def __init__(self, at, who, what, detail):
        self.at, self.who, self.what, self.detail = at, who, what, detail

    def __repr__(self):
        details = " ".join(f"{key}={value}" for key, value in self.detail.items())
        return f"{self.at:.6f} {self.who:<10} {self.what} {details}"


class Timeline:
    """All events of one scenario in order of arrival; written by many threads."""

    def __init__(self):
        self.events = []
        self.changed = threading.Condition()
        self.start = now()

    def add(self, who, what, at=None, **detail):
        event = Event(now() if at is None else at, who, what, detail)
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()
        return event

    def find(self, what, who=None, since=0.0, **detail):
        """The first event of this kind at or after `since`, or None."""
        with self.changed:
            return self._find(what, who, since, detail)

    def _find(self, what, who, since, detail):
        for event in self.events:
            if event.at >= since and event.what == what and who in (None, event.who):
                if all(event.detail.get(key) == value for key, value in detail.items()):
                    return event
        return None

    def wait(self, what, who=None, since=0.0, timeout=30.0, **detail):
        """Waits until such an event is there; None when the time is over."""
        end = now() + timeout
        with self.changed:
            while True:
                event = self._find(what, who, since, detail)
                if event or now() >= end:
                    return event
                self.changed.wait(end - now())

    def text(self):
        """The run as a person reads it, times in milliseconds from its start."""
        with self.changed:
            events = sorted(self.events, key=lambda event: event.at)
        lines = []
        for event in events:
            details = " ".join(f"{key}={value}" for key, value in event.detail.items())
            at = (event.at - self.start) * 1000
            lines.append(f"{at:10.1f} ms  {event.who:<12} {event.what:<22} {details}")
        return "\n".join(lines)


class Lost(Exception):
    """The connection went away before the answer came."""


class Pending:
    """A request under way. `sent`, `interim` and `answered` are times; None until it happened."""

    def __init__(self, label=""):
        self.label = label
        self.sent = None
        self.interim = None
        self.answered = None
        self.answer = None
        self.error = None
        self.async_id = 0
        self._event = threading.Event()
        self._interim_event = threading.Event()

    @property
    def done(self):
        return self._event.is_set()

    def set_interim(self, at):
        if self.interim is None:
            self.interim = at
        self._interim_event.set()

    def finish(self, answer, at):
        self.answer, self.answered = answer, at
        self._event.set()
        self._interim_event.set()

    def fail(self, error, at):
        self.error, self.answered = error, at
        self._event.set()
        self._interim_event.set()

    def wait(self, timeout=30.0):
        """The answer. TimeoutError when none came, Lost when none can come any more."""
        if not self._event.wait(timeout):
            raise TimeoutError(f"{self.label}: no answer within {timeout} s")
        if self.error is not None:
            raise self.error
        return self.answer

    def wait_interim(self, timeout=15.0):
        """True when the server said that it goes on asynchronously (or answered already)."""
        return self._interim_event.wait(timeout) and self.interim is not None

    def stays_open(self, seconds):
        """True when there is still no answer after so many seconds."""
        return not self._event.wait(seconds)

    @property
    def latency(self):
        return None if self.answered is None else self.answered - self.sent


class Background:
    """Runs a function on a thread of its own and is waited for like a Pending."""

    def __init__(self, function, *args, **kwargs):
        self.pending = Pending(getattr(function, "__name__", "background"))
        self.pending.sent = now()

        def run():
            try:
                answer = function(*args, **kwargs)
                self.pending.finish(answer, now())
            except Exception as error:  # handed to whoever waits
                self.pending.fail(error, now())

        threading.Thread(target=run, daemon=True).start()

    def __getattr__(self, name):
        return getattr(self.pending, name)
