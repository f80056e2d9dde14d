"""What is run in a container without Python: shell scripts for any POSIX ``sh``, busybox's included. Pure, no I/O.

Nothing is ever written into a script's text: paths and commands are positional parameters. Each script ends by
printing a trailer on standard error, between two lines that hold a random token; see ``exec_run``.

Whose a process is stands in its ``oom_score_adj``, a number that children inherit through ``setsid``, ``exec`` and the
death of their parents, and that hardly any program touches (proc(5)). A process can change its own; it is the agent's
container, and the last resort (``END_ALL``) looks at no number.
"""

from __future__ import annotations

from typing import Final

from pullwright.sandbox.container_spec import LIFETIME

KEEPER_MARK: Final = 400
"""Of what the first process waits for."""
COMMAND_MARK: Final = 500
SERVICE_MARKS: Final = range(600, 1000)

UTILITIES: Final = ("cat", "cp", "head", "mkdir", "rm", "tail", "wc")
"""What an image needs besides a shell; ``sleep``, too, or the container does not live."""

NOISE: Final = 4096
"""Bytes that are kept of what a script prints besides what it is there for."""

NO_ENTRY, IS_FOLDER, NO_FOLDER, DENIED, NO_FILE, SHORT = 40, 41, 42, 43, 44, 45
"""Exit codes of the file scripts; the shell's and the utilities' own are other numbers."""

KEEPER: Final = (
    "sh",
    "-c",
    f"""
    # The container's first process: reaps what it inherits, and starts its clock again should a command kill it.
    trap 'exit 0' TERM
    while (echo {KEEPER_MARK} > /proc/self/oom_score_adj; exec sleep {LIFETIME}) & wait $!; [ $? -gt 128 ]; do :; done
    """,
)
"""The command of such a container, started without the engine's init, which would end with its child."""

END_ALL: Final = "kill -9 -1"
"""Ends everything but the first process and whoever runs it, services too."""

_TRAILER = r"""
exec 3>&2
trailer() { printf '\n%s %s\n%s\n%s\n' "$token" "$1" "$2" "$token" >&3; }
"""

# Only builtins: no process can be made while a fork bomb is on. What is found is stopped first, so that it makes no
# children while it is being killed.
_SWEEP = rf"""
mark_of() {{ mark=; read -r mark 2>/dev/null < "/proc/$1/oom_score_adj"; }}
look_at() {{
    line=; read -r line 2>/dev/null < "/proc/$1/stat"
    set -- ${{line##*) }}
    state=${{1:-X}} parent=${{2:-0}}
}}
bears() {{  # whether process $1, or one above it, bears one of the marks in $marks
    at=$1
    while [ "$at" -gt 1 ]; do
        mark_of "$at"
        case " $marks " in *" $mark "*) return 0;; esac
        [ "$mark" != {COMMAND_MARK} ] || return 1
        look_at "$at"
        at=$parent
    done
    return 1
}}
find_victims() {{
    victims=
    for folder in /proc/[0-9]*; do
        pid=${{folder#/proc/}}
        [ "$pid" -gt 1 ] && [ "$pid" -ne $$ ] || continue
        if bears "$pid"; then [ "$wanted" = marked ]; else [ "$wanted" = others ]; fi || continue
        look_at "$pid"
        case $state in Z|X) ;; *) victims="$victims $pid";; esac
    done
}}
sweep() {{  # $1: "marked" ends what bears one of the marks in $marks, "others" everything else
    wanted=$1 left=200 before=
    find_victims
    while [ -n "$victims" ] && [ $left -gt 0 ]; do
        left=$((left - 1))
        while [ "$victims" != "$before" ]; do
            kill -STOP $victims 2>/dev/null
            before=$victims
            find_victims
        done
        kill -KILL $victims 2>/dev/null
        before=
        find_victims
    done
    [ -z "$victims" ]
}}
"""

SWEEP: Final = (
    _TRAILER
    + _SWEEP
    + """
token=$1 marks=$3
sweep "$2"
trailer $? ''
"""
)
"""Arguments: token, ``marked`` or ``others``, marks."""

_ENTER = r"""
enter() { cd -- "$1" 2>/dev/null || { [ -n "$2" ] && cd -- "$2" 2>/dev/null; } || {
    echo "cannot start the command: there is no folder $1" >&2; return 1; }; }
"""

COMMAND: Final = (
    _TRAILER
    + _SWEEP
    + _ENTER
    + rf"""
token=$1 marks=$2 report=$7
echo {COMMAND_MARK} 2>/dev/null > /proc/self/oom_score_adj
status=126
if enter "$3" "$4"; then
    exec 2>/dev/null  # some shells remark on how a child ended
    (exec "$5" -c "$6" < /dev/null 2>&3 3>&-)
    status=$?
fi
sweep others || {END_ALL}
said=; [ -f "$report" ] && said=$(head -c 8000 "$report"; echo .)
rm -rf -- "$report" "$report.sh" 2>/dev/null
trailer $status "${{said%.}}"
"""
)
"""Arguments: token, marks to keep, folder, folder if that is gone, shell, command line, file for its report."""

SERVICE: Final = (
    _TRAILER
    + _ENTER
    + r"""
token=$1
echo "$2" > /proc/self/oom_score_adj || exit 1
trailer ready ''
status=126
if enter "$3" "$4" 2>&1; then
    exec 2>/dev/null
    (exec "$5" -c "$6" < /dev/null 2>&1 3>&-)
    status=$?
fi
trailer $status ''
"""
)
"""Arguments: token, mark, folder, folder if that is gone, shell, command line. Everything it prints is on stdout."""

_WHY = rf"""
why_not() {{  # why there is nothing at $1, or nothing can be made there
    at=$1
    while [ ! -e "$at" ] && [ -n "$at" ]; do
        case $at in */*) at=${{at%/*}};; *) at=;; esac
    done
    at=${{at:-/}}
    [ -d "$at" ] || return {NO_FOLDER}
    [ -x "$at" ] || return {DENIED}
    [ "$2" != write ] || [ -w "$at" ] || return {DENIED}
    return {NO_ENTRY}
}}
"""

READ: Final = (
    _TRAILER
    + _WHY
    + rf"""
token=$1
export LC_ALL=C
look() {{
    [ -e "$1" ] || {{ why_not "$1" read; return; }}
    [ ! -d "$1" ] || return {IS_FOLDER}
    [ -f "$1" ] || return {NO_FILE}
    [ -r "$1" ] || return {DENIED}
    if [ "$2" = 1 ]; then head -c "$3" < "$1"; else tail -c "+$2" < "$1" | head -c "$3"; fi
}}
look "$2" "$3" "$4"
trailer $? ''
"""
)
"""Arguments: token, path, number of the first byte (from 1), number of bytes."""

WRITE: Final = (
    _TRAILER
    + _WHY
    + rf"""
token=$1
export LC_ALL=C
put() {{
    [ ! -d "$1" ] || return {IS_FOLDER}
    if [ -e "$1" ]; then
        [ -f "$1" ] || return {NO_FILE}
        [ -w "$1" ] || return {DENIED}
    else
        mkdir -p -- "${{1%/*}}/" || {{ why_not "${{1%/*}}" write; return; }}
        [ -w "${{1%/*}}/" ] || return {DENIED}
    fi
    if [ "$2" = 0 ]; then true > "$1"; else head -c "$2" > "$1"; fi || return
    [ "$(wc -c < "$1")" -eq "$2" ] || return {SHORT}  # busybox's head does not say that a write failed
}}
put "$2" "$3"
trailer $? ''
"""
)
"""Arguments: token, path, number of bytes on standard input."""

PREPARE: Final = (
    _TRAILER
    + r"""
token=$1 skeleton=$2 missing=
for name in """
    + " ".join(UTILITIES)
    + r"""; do
    command -v "$name" > /dev/null || missing="$missing $name"
done
[ ! -d "$skeleton" ] || cp -RpP "$skeleton/." "$HOME/" 2>/dev/null
command -v bash || command -v sh
echo "$missing"
trailer 0 ''
"""
)
"""Arguments: token, folder whose content every home starts with. Prints the shell's path, and what is missing."""


def asking(report: str) -> str:
    """Return what goes in front of a command line so that its shell says at its end how and where it was.

    It stands on the command's first line, so that the numbers of lines hold.

    Args:
        report: The file to say it in; a name without special characters.
    """
    say = f"{{ echo $?; command pwd -P; }} 2>/dev/null > {report} || :"
    return f"export LANG=\"${{LANG-C.UTF-8}}\"; trap '{say}' EXIT; "
