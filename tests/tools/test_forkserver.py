"""test_forkserver.py FOLDER: a script that tools/forkserver.py starts is what the interpreter makes of it: the same words, the same
end. Prints one TAP line a case."""
import os
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import forkserver  # noqa: E402

SCRIPTS = {
    'ends_well': 'print("said")',
    'ends_with_a_number': 'import sys; print("said"); sys.exit(3)',
    'ends_with_a_text': 'import sys; sys.exit("a reason")',
    'ends_with_a_large_number': 'import sys; sys.exit(259)',
    'ends_with_a_fault': 'def f():\n    raise ValueError("a fault")\nf()',
    'is_no_python': 'print(',
    'has_a_fault_in_another_file': 'import beside; beside.f()',
    'is_killed': 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)',
    'dies_of_SIGTERM': 'import os, signal; os.kill(os.getpid(), signal.SIGTERM)',
    'hears_SIGINT': 'import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept KeyboardInterrupt:\n    print("heard")',
    'dies_of_SIGINT': 'import os, signal; os.kill(os.getpid(), signal.SIGINT)',
    'leaves_a_file_open': 'f = open("left", "w"); f.write("all of it")',
    'has_arguments_and_a_main': 'import sys; print(sys.argv[1:], __name__, __file__ == sys.argv[0])\ndef f(): return x\nx = 7\nprint(f())',
    'has_an_environment': 'import os; print(sorted(os.environ.items())); os.system("echo $ANSWER")',
    'stands_in_a_directory': 'import os; print(os.getcwd()); os.system("pwd")',
    'imports_what_lies_beside_it': 'import sys, beside; print(beside.answer, sys.path[0])',
    'leads_a_session': 'import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())',
    'has_three_descriptors': 'import os; print(sorted(map(int, os.listdir("/proc/self/fd")))[:-1], os.read(0, 1))',
    'waits_for_its_threads': 'import threading\n'
                             'threading.Thread(target=lambda: (threading.main_thread().join(), print("later"))).start()\nprint("first")',
    'has_exit_handlers': 'import atexit; atexit.register(print, "last"); print("first")',
    'starts_processes': 'import subprocess; print(subprocess.run("echo x; exit 5", shell=True, capture_output=True))',
    'has_no_children_that_it_did_not_start': 'import os\ntry:\n    os.wait()\nexcept ChildProcessError:\n    print("none")',
    'has_the_usual_signals': 'import signal; print([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE)])',
    'is_on_its_processors': 'import os; print(sorted(os.sched_getaffinity(0)))',
}
failures = number = 0


def claim(text, holds, detail=''):
    global failures, number
    number += 1
    failures += not holds
    print('%sok %d - %s%s' % ('' if holds else 'not ', number, text, '' if holds else '\n# %s' % (detail,)), flush=True)


def told(start, command, folder, env):
    """(status, stdout, stderr) of it, started by start(command, folder, env, descriptors)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull) as nothing:
        status = start(command, folder, env, [nothing.fileno(), out.fileno(), err.fileno()])
        for file in out, err:
            file.seek(0)
        return status, out.read().decode(), err.read().decode()


def interpreted(command, folder, env, files):
    return subprocess.Popen([sys.executable, *command], cwd=folder, env=env, stdin=files[0], stdout=files[1], stderr=files[2],
                            start_new_session=True).wait(60)


with tempfile.TemporaryDirectory() as folder, forkserver.Server(sys.executable) as server:
    folder = os.path.realpath(folder)
    with open(os.path.join(folder, 'beside.py'), 'w') as file:
        file.write('answer = 42\ndef f():\n    raise KeyError(answer)\n')

    def forked(command, at, env, files):
        status, cpu = server.start(command, at, env, files).reap()
        assert cpu > 0
        return status

    for name, text in SCRIPTS.items():
        path = os.path.join(folder, name + '.py')
        with open(path, 'w') as file:
            file.write(text + '\n')
        kept = {k: v for k, v in os.environ.items() if k.startswith(('PATH', 'LANG', 'LC_', 'PYTHON'))}
        env = {**kept, 'ANSWER': '42', 'BYTES': '\udcff'}
        wanted, got = [told(way, [path, 'a', 'b c'], folder, env) for way in (interpreted, forked)]
        left = os.path.join(folder, 'left')
        if os.path.exists(left):
            with open(left) as file:
                got = (*got, file.read() == 'all of it')
            wanted = (*wanted, True)
            os.unlink(left)
        claim('forkserver__a_script_that_%s_is_what_the_interpreter_makes_of_it' % name, wanted == got, (wanted, got))
    with open(os.devnull, 'r+') as nothing:
        files = [nothing.fileno()] * 3
        path = os.path.join(folder, 'hangs.py')
        with open(path, 'w') as file:
            file.write('import time; time.sleep(1000)\n')
        slow, quick = [server.start([os.path.join(folder, name + '.py')], folder, env, files) for name in ('hangs', 'ends_well')]
        claim('forkserver__scripts_run_side_by_side', quick.reap()[0] == 0 and not slow.has_ended(0.01))
        os.killpg(slow.pid, signal.SIGKILL)
        at_once = [server.start([os.path.join(folder, 'hangs.py')], folder, env, files) for _ in range(8)]
        for each in at_once:
            os.killpg(each.pid, signal.SIGKILL)
        claim('forkserver__the_pid_that_is_told_leads_a_group', all(each.reap()[0] == -signal.SIGKILL for each in at_once))
        claim('forkserver__one_that_is_killed_is_told', slow.has_ended(60) and slow.reap()[0] == -signal.SIGKILL)
claim('forkserver__it_ends_with_its_client', server.process.returncode == 0, server.process.returncode)
print('1..%d' % number)
sys.exit(1 if failures else 0)
