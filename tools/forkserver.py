"""forkserver.py: Python scripts as forks of one interpreter that has what they import: a script of the tests begins after 15 ms instead of
60, some eighty times in a check. A script is the leader of a session, with the arguments, directory, environment, standard descriptors and
processors that are given, and its `__main__` is a module of its own; nothing that one script does is seen by another.

    with Server('/usr/bin/python3') as server:
        script = server.start(['test.py', 'word'], cwd='/tmp', env=dict(os.environ), files=(stdin, stdout, stderr))
        if script.has_ended(60): status, cpu = script.reap()

`python3 forkserver.py FD` is the server's side: one process, one thread. It ends with its client."""
import array
import builtins
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import types

PRELOADED = ['contextlib', 'glob', 'json', 'random', 're', 'resource', 'select', 'selectors', 'shutil', 'signal', 'socket', 'sqlite3',
             'struct', 'subprocess', 'tempfile', 'textwrap', 'threading', 'time', 'traceback']
REQUEST_SIZE_MAX = 1 << 20


class Script:
    """One that runs, or ran."""

    def __init__(self, answers):
        self.answers = answers  # a line with its pid, a line with how it ended
        self.pid = self.answer()

    def has_ended(self, timeout):
        """Wait for its end, `timeout` seconds at the most (None: without end)."""
        return bool(select.select([self.answers], [], [], timeout)[0])

    def reap(self):
        """Wait for its end: (exit status, or minus the signal; seconds of processors that it took with all that it waited for)."""
        ended = self.answer()
        self.answers.close()
        return tuple(ended)

    def answer(self):
        line = self.answers.readline()
        if not line:
            raise OSError('the fork server has died')
        return json.loads(line)


class Server:
    def __init__(self, python):
        self.python = python
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.requests.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_SIZE_MAX)
        with theirs:
            self.process = subprocess.Popen([self.python, os.path.abspath(__file__), str(theirs.fileno())], pass_fds=[theirs.fileno()],
                                            stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.requests.close()
        self.process.wait()

    def start(self, words, cwd, env, files):
        """Run words[0] with the arguments behind it. `files`: descriptors of stdin, stdout and stderr. On the processors of the calling
        thread. Any thread may call it."""
        ours, theirs = socket.socketpair()
        with theirs:
            request = json.dumps({'words': words, 'cwd': cwd, 'env': env, 'processors': sorted(os.sched_getaffinity(0))}).encode()
            passed = array.array('i', [*files, theirs.fileno()])
            self.requests.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        answers = ours.makefile('rb', buffering=0)
        ours.close()
        return Script(answers)


def run(words):
    """In the fork: be the script. Its exit status, as the interpreter would make it."""
    main = sys.modules['__main__'] = types.ModuleType('__main__')
    main.__dict__.update(__file__=words[0], __builtins__=builtins)
    sys.argv, sys.path[0] = words, os.path.dirname(os.path.abspath(words[0]))
    try:
        with open(words[0], 'rb') as file:
            text = file.read()
        exec(compile(text, words[0], 'exec'), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as end:  # told as the interpreter tells it: this function called nothing
        told = end.with_traceback(end.__traceback__.tb_next)
        sys.excepthook(type(told), told, told.__traceback__)
        if isinstance(told, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        return 1
    return 0


def finish(status):
    """Leave the fork as an interpreter leaves: threads, exit handlers, what is buffered."""
    import atexit
    import threading
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.modules['__main__'].__dict__.clear()  # files that it left open are written
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def become(request, files, leads):
    """In the fork: the session, which is told by closing `leads`, the directory, the environment and the descriptors of a script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    os.setsid()
    os.close(leads)
    os.sched_setaffinity(0, request['processors'])
    for number, file in enumerate(files):
        os.dup2(file, number)
    for number in [int(name) for name in os.listdir('/proc/self/fd')]:
        if number > 2:
            with contextlib.suppress(OSError):  # the one of that list
                os.close(number)
    os.chdir(request['cwd'])
    os.environ.clear()
    os.environ.update(request['env'])


def answer(socket_of, value):
    with contextlib.suppress(OSError):  # nobody waits for it any more
        socket_of.sendall(json.dumps(value).encode() + b'\n')


def accept(requests, running):
    """One request: fork. False: there will be none."""
    data, passed, _, _ = socket.recv_fds(requests, REQUEST_SIZE_MAX, 4)
    if not data:
        return False
    request, (*files, number) = json.loads(data), passed
    ready, leads = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            become(request, files, leads)
            status = run(request['words'])
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            finish(status)
    for file in *files, leads:
        os.close(file)
    os.read(ready, 1)  # it leads its group: who knows its pid can end that
    os.close(ready)
    running[pid] = socket.socket(fileno=number)
    answer(running[pid], pid)
    return True


def collect(running):
    """Those that ended."""
    while running:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as socket_of:
            answer(socket_of, [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime])


def serve(requests):
    import gc
    for name in PRELOADED:
        __import__(name)
    gc.collect()
    gc.freeze()  # a collection in a fork would write to every page
    running, (woken, wakes) = {}, os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the client has heard it, too, and ends what it runs
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    is_open = True
    while is_open or running:
        ready = select.select([woken, *([requests] if is_open else [])], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            collect(running)
        if requests in ready:
            is_open = accept(requests, running)


if __name__ == '__main__':
    serve(socket.socket(fileno=int(sys.argv[1])))
