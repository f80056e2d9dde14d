"""Shell commands that outlive a time limit, each by a way of its own; none ends by itself."""

from __future__ import annotations

from typing import Final

_HOLD: Final = "sleep 98765"
_DAEMON: Final = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 3)
        time.sleep(98765)
    os._exit(0)
time.sleep(98765)
"""
_THREADS: Final = """
import signal, threading, time
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for _ in range(20):
    threading.Thread(target=time.sleep, args=(98765,)).start()
"""

TREES: Final = {
    "one process": _HOLD,
    "pipeline": f"{_HOLD} | {_HOLD} | cat",
    "own session": f"setsid {_HOLD} & {_HOLD}",
    "own session, twice": f"setsid sh -c 'setsid {_HOLD} & {_HOLD}' & {_HOLD}",
    "nohup": f"nohup {_HOLD} >/dev/null 2>&1 & {_HOLD}",
    "disown": f"{_HOLD} & disown; {_HOLD}",
    "double fork": f"( ( {_HOLD} & ) & ); {_HOLD}",
    "double fork in its own session": f"( setsid sh -c '( {_HOLD} & )' & ); {_HOLD}",
    "daemon that ignores signals": f"python3 -c '{_DAEMON}'",
    "threads that block signals": f"python3 -c '{_THREADS}'",
    "TERM is ignored": f"trap '' TERM; {_HOLD}",
    "every signal is ignored, in children too": f"trap '' HUP INT QUIT TERM USR1; {_HOLD} & {_HOLD}",
    "TERM starts another": f"trap 'setsid {_HOLD} & wait' TERM; while :; do sleep 1; done",
    "EXIT starts another": f"trap 'setsid {_HOLD} &' EXIT; {_HOLD}",
    "stopped child": f"{_HOLD} & kill -STOP $!; {_HOLD}",
    "stopped in its own session": f"setsid sh -c 'kill -STOP $$; {_HOLD}' & {_HOLD}",
    "the shell stops itself": "kill -STOP $$",
    "job control, own groups": f"set -m; {_HOLD} & {_HOLD} & {_HOLD}",
    "deep": f"f() {{ [ $1 = 0 ] && {_HOLD} || ( f $(($1 - 1)); : ); }}; f 20",
    "wide": f"for i in $(seq 100); do {_HOLD} & done; wait",
    "wide, own sessions": f"for i in $(seq 50); do setsid {_HOLD} & done; wait",
    "fork chain": f"f() {{ sleep 0.02; f & }}; f; {_HOLD}",
    "fork chain through sessions": f"printf 'sleep 0.02; setsid sh /tmp/c &' > /tmp/c; sh /tmp/c; {_HOLD}",
    "two that restart each other": f"f() {{ while :; do ( sleep 0.05 ); done; }}; f & f & {_HOLD}",
    "busy": "while :; do :; done & while :; do :; done",
    "low priority": f"nice -n 19 sh -c 'while :; do :; done' & {_HOLD}",
    "inner time limit": f"timeout --foreground -s TERM 98765 {_HOLD}",
    "coprocess": f"coproc {_HOLD}; {_HOLD}",
    "under another name": f"( exec -a '[kworker/0:1]' {_HOLD} ) & {_HOLD}",
    "waits in a system call": "mkfifo /tmp/pipe; cat /tmp/pipe",
    "never stops printing": f"yes & setsid yes > /dev/null & {_HOLD}",
}
