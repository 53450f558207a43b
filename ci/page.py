#!/usr/bin/env python3
"""Runs the commands of a page and compares what they print with what the page says.

    ci/page.py PAGE [OLD=NEW ...]

A block that begins with ```console holds commands, each behind `$ `, and what they print. A line `…` stands for any
lines, and `…` within a line for any text. A block that begins with ```console background holds a command that goes on
until the page ends; the output that follows it is awaited. OLD=NEW replaces text in the page, a port for example.
Commands run in the folder of the page, with a time limit, and only what was started here is stopped.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

SECONDS = 300


def blocks(text):
    for match in re.finditer(r"^```console( background)?\n(.*?)^```$", text, re.M | re.S):
        commands = []
        for line in match[2].splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif commands and commands[-1][0].endswith("\\"):
                commands[-1] = (commands[-1][0][:-1] + line, [])
            else:
                commands[-1][1].append(line)
        yield bool(match[1]), commands


def pattern(expected):
    lines = []
    for line in expected:
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(map(re.escape, line.split("…"))) + r"\n")
    return re.compile("".join(lines))


def plain(output):
    """Without colours and without blanks at the end of lines; the last line ends as well."""
    output = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [line.rstrip() for line in output.splitlines()]
    return "".join(f"{line}\n" for line in lines)


def background(command, expected, folder, log):
    process = subprocess.Popen(["bash", "-c", f"exec env {command}"], cwd=folder, stdout=log, stderr=subprocess.STDOUT,
                               env=os.environ, start_new_session=True)
    wanted = pattern(expected)
    for _ in range(SECONDS * 4):
        with open(log.name) as written:
            if wanted.search(plain(written.read())):
                return process
        if process.poll() is not None:
            break
        time.sleep(0.25)
    with open(log.name) as written:
        print(written.read())
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    sys.exit(f"`{command}` did not print what the page says")


def foreground(command, expected, folder):
    ran = subprocess.run(["bash", "-c", command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, timeout=SECONDS, check=False)
    printed = plain(ran.stdout)
    if expected and not pattern(expected).fullmatch(printed):
        print("--- the page says")
        print("\n".join(expected))
        print("--- it prints")
        print(printed)
        return False
    # A command whose output the page does not show has to succeed.
    if not expected and ran.returncode != 0:
        print(printed)
        return False
    return True


def main():
    page, replacements = sys.argv[1], sys.argv[2:]
    with open(page) as file:
        text = file.read()
    for replacement in replacements:
        old, new = replacement.split("=", 1)
        text = text.replace(old, new)
    folder = os.path.dirname(os.path.abspath(page))
    started, count, wrong = [], 0, 0
    try:
        for is_background, commands in blocks(text):
            for command, expected in commands:
                print(f"$ {command}", flush=True)
                count += 1
                if is_background:
                    log = tempfile.NamedTemporaryFile("w", suffix=".log")
                    started.append((background(command, expected, folder, log), log))
                elif not foreground(command, expected, folder):
                    wrong += 1
    finally:
        for process, _ in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
    if count == 0:
        sys.exit(f"{page} has no commands")
    if wrong:
        sys.exit(f"{wrong} of {count} commands of {page} do not do what it says")
    print(f"{count} commands of {page} do what it says")


main()
