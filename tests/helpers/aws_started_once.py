"""The AWS command line, imported once: each call of ``aws`` is a fork of one process.

A script calls it some forty times, and each start of Python with it takes half a second.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

CALL = f"""#!{sys.executable} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({{address!r}})
    socket.send_fds(server, [b"files"], [0, 1, 2])
    server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(server.recv(1)[0])
"""


@contextlib.contextmanager
def aws_started_once(folder: Path) -> Iterator[Path]:
    """Gives a folder that holds the command ``aws``, for the front of PATH."""
    address, commands = str(folder / "aws.socket"), folder / "bin"
    commands.mkdir()
    (commands / "aws").write_text(CALL.format(address=address))
    (commands / "aws").chmod(0o700)
    server = subprocess.Popen([sys.executable, __file__, address], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == b"ready\n"
        yield commands
    finally:
        server.terminate()
        server.communicate()


def serve(address: str) -> None:
    """Answer each call in a fork, with the files, the folder and the environment of the caller."""
    from awscli.clidriver import create_clidriver

    create_clidriver().session.get_service_model("ec2")  # what each call would import and read anew
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            caller, _ = listening.accept()
            with caller:
                if os.fork() == 0:
                    answer(caller)


def answer(caller: socket.socket) -> None:
    """Run one call of ``aws`` in this process, send its status, and end."""
    _, files, _, _ = socket.recv_fds(caller, len(b"files"), 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
    with caller.makefile("rb") as call:
        arguments, folder, environment = json.load(call)
    os.chdir(folder)
    own = {"AWS_DATA_PATH": os.environ["AWS_DATA_PATH"]}  # set by awscli when it is imported
    os.environ.clear()
    os.environ.update(environment | own)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    from awscli.clidriver import main

    status = 255
    try:
        sys.argv = ["aws", *arguments]
        status = main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(bytes([status]))
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
