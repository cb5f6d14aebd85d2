"""Run several threads of real code over a storage of one's own, in every order of their steps that makes a difference.

Each step of a thread is one operation on the storage. A search visits every state that the threads can reach: what the
storage holds, together with what each thread has seen. The code of a thread depends on nothing else.
"""

import threading


class Aborted(BaseException):
    """Ends the threads of a history that is not followed to its end."""


class Storage:
    """A folder as `bert_spark.storage.Folder` has it, whose every operation is a step of the thread that calls it."""

    uri = "memory"

    def __init__(self, files, ages):
        self.files, self.ages, self.history = dict(files), ages, None

    def names(self):
        return self.history.step(lambda: sorted(self.files))

    def read(self, name):
        return self.history.step(lambda: self.files.get(name))

    def write(self, name, text):
        self.history.step(lambda: self.files.update({name: text}))

    def remove(self, name):
        self.history.step(lambda: self.files.pop(name, None) and None)

    def age_s(self, name):
        return self.ages.get(name, 0.0)


class History:
    """One order of steps. `choices` says which thread makes each of the first steps."""

    def __init__(self, storage, bodies):
        self.storage, self.seen = storage, {name: [] for name in bodies}
        storage.history = self
        self.turns = {name: threading.Semaphore(0) for name in bodies}
        self.waiting, self.sleeping, self.aborted = set(), set(), False
        self.arrived = threading.Semaphore(0)
        self.threads = {name: threading.Thread(target=self._run, args=(name, bodies[name])) for name in bodies}
        self.name_of = {thread: name for name, thread in self.threads.items()}
        for thread in self.threads.values():
            thread.daemon = True
            thread.start()
            self.arrived.acquire()

    def _run(self, name, body):
        try:
            body()
        except Aborted:
            pass
        finally:
            self.waiting.discard(name)
            self.arrived.release()

    def step(self, action):
        """Wait for this thread's turn, then act and remember what it saw."""
        name = self.name_of[threading.current_thread()]
        if self.aborted:
            raise Aborted
        self.waiting.add(name)
        self.arrived.release()
        self.turns[name].acquire()
        self.waiting.discard(name)
        if self.aborted:
            raise Aborted
        result = action()
        self.seen[name].append(repr(result))
        return result

    def sleep(self, _):
        """Wait until another thread has made a step."""
        self.sleeping.add(self.name_of[threading.current_thread()])
        self.step(lambda: None)

    def enabled(self):
        """Return the threads that can make the next step."""
        return sorted(self.waiting - self.sleeping) or sorted(self.waiting)

    def advance(self, name):
        """Let a thread make its next step."""
        self.sleeping.clear()
        self.turns[name].release()
        self.arrived.acquire()

    def state(self):
        return repr((sorted(self.storage.files.items()), sorted(self.seen.items()), sorted(self.sleeping)))

    def abort(self):
        self.aborted = True
        for name in list(self.waiting):
            self.turns[name].release()
        for thread in self.threads.values():
            thread.join()


def every_history(start):
    """Yield after each history: the number of states so far, and whether all threads have ended in it.

    `start` begins a new history and returns it. A history that reaches a state for the second time ends there.
    """
    visited, prefixes = set(), [()]
    while prefixes:
        choices = list(prefixes.pop())
        history = start()
        for name in choices:
            history.advance(name)
        while history.enabled() and history.state() not in visited:
            visited.add(history.state())
            first, *others = history.enabled()
            prefixes += [(*choices, other) for other in others]
            choices.append(first)
            history.advance(first)
        complete = not history.enabled()
        history.abort()
        yield len(visited), complete
