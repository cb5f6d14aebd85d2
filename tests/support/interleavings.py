"""Run several threads of real code over a storage of one's own, in every order of their steps that makes a difference.

Each step of a thread is one operation on the storage. A search visits every state that the threads can reach: what the
storage holds, together with what each thread has seen. The code of a thread depends on nothing else.
"""

import threading


class Aborted(BaseException):
    """Ends a thread that is killed, and the threads of a history that is not followed to its end."""


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
    """One order of steps. A move is the name of the thread that makes the next one."""

    def __init__(self, storage, bodies):
        self.storage, self.seen = storage, {name: [] for name in bodies}
        storage.history = self
        self.turns = {name: threading.Semaphore(0) for name in bodies}
        self.waiting, self.sleeping, self.killed, self.aborted = set(), set(), set(), False
        self.arrived = threading.Semaphore(0)
        self.threads = {
            name: threading.Thread(target=self._run, name=name, args=(name, bodies[name])) for name in bodies
        }
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
        if self.aborted or name in self.killed:
            raise Aborted
        self.waiting.add(name)
        self.arrived.release()
        self.turns[name].acquire()
        self.waiting.discard(name)
        if self.aborted or name in self.killed:
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

    def moves(self):
        """Return what may happen next; nothing if all threads have ended."""
        return self.enabled()

    def make(self, move):
        """Let a thread make its next step."""
        self.sleeping.clear()
        self.turns[move].release()
        self.arrived.acquire()

    def kill(self, name):
        """End a thread before its next step. What it does on its way out changes nothing."""
        self.killed.add(name)
        self.turns[name].release()
        self.arrived.acquire()

    def state(self):
        """Return all that decides what may follow. What a thread that has ended had seen no longer does."""
        seen = [(name, self.seen[name]) for name in sorted(self.waiting)]
        return repr((sorted(self.storage.files.items()), seen, sorted(self.sleeping)))

    def abort(self):
        self.aborted = True
        for name in list(self.waiting):
            self.turns[name].release()
        for thread in self.threads.values():
            thread.join()


def every_history(start, pick=lambda prefixes: -1):
    """Yield after each history: the number of states so far, and whether all threads have ended in it.

    `start` begins a new history and returns it. A history that reaches a state for the second time ends there. `pick`
    returns the number of the beginning to go on with; by default the longest one.
    """
    visited, prefixes = set(), [()]
    while prefixes:
        choices = list(prefixes.pop(pick(prefixes)))
        history = start()
        for move in choices:
            history.make(move)
        while history.moves() and history.state() not in visited:
            visited.add(history.state())
            first, *others = history.moves()
            prefixes += [(*choices, other) for other in others]
            choices.append(first)
            history.make(first)
        complete = not history.moves()
        history.abort()
        yield len(visited), complete
