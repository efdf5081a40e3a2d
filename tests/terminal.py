#!/usr/bin/env python3
"""What stands on a terminal while persona works, by a terminal emulator that is not ours (pyte).

    make && python3 tests/terminal.py

Draws, trains and makes a grid at 40, 80 and 200 columns, and once more with the window changing on the way.  Each time
the last screens must have one line for each bar, no line wider than the window, nothing that was drawn over left behind,
and nothing but what the emulator knows.  tests/test_terminal.c does the same, and more, without Python, by an emulator of
its own.

Needs Python 3.9 and pyte 0.8."""
import fcntl
import os
import pty
import struct
import sys
import tempfile
import termios

import pyte

LINES = 24
WIDTHS = [40, 80, 200]


def set_size(file, columns):
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))


def watch(words, columns, then):
    """all lines that were ever shown, and how the program ended"""
    screen = pyte.HistoryScreen(columns, LINES, history=5000, ratio=1)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.environ.pop("NO_COLOR", None)
        set_size(0, columns)
        os.execv("./persona", ["./persona", *words])
    bars = 0
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        stream.feed(data)
        bars += data.count(b"step ")
        if bars > 2 and then != columns:
            screen.resize(LINES, then)
            set_size(terminal, then)
            columns = then
    _, status = os.waitpid(child, 0)
    above = ["".join(row[x].data for x in range(columns)).rstrip() for row in screen.history.top]
    return above + [line.rstrip() for line in screen.display], status


def main():
    folder = tempfile.mkdtemp()
    draw = ["--prompt", "a man", "--seed", "1", "--size", "64x64", "--steps", "12"]
    jobs = {
        "a drawing": (draw + ["--frames", "1", "-o", folder + "/a.png"], "step 12/12 "),
        "a preview": (draw + ["--frames", "2", "--preview", "-o", folder + "/a.gif"], "step 12/12 "),
        "a grid": (draw + ["--frames", "1", "--x", "CFG scale: 1, 2", "-o", folder + "/b.png"], "step 24/24 "),
        "training": (["train", "examples/yumin", "-o", folder + "/a.safetensors", "--max_train_steps", "12",
                      "--resolution", "64", "--network_dim", "1", "--seed", "1"], "step 12/12 ["),
    }
    failed = 0
    for name, (words, bar) in jobs.items():
        for columns in WIDTHS:
            for then in WIDTHS:
                lines, status = watch(words, columns, then)
                bars = [line for line in lines if line.startswith(bar)]
                left = [line for line in lines if " left" in line or ">" in line]
                is_good = status == 0 and len(bars) == 1 and not left
                failed += not is_good
                print(f"{name}, {columns} columns, then {then}: {'good' if is_good else 'WRONG'}")
                if not is_good:
                    print("\n".join(line for line in lines if line))
    print(f"terminal.py: {len(jobs) * len(WIDTHS) ** 2 - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
