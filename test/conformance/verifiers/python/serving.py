"""What the servers here have in common: they serve until their standard input is closed."""

import os
import socket
import sys
import threading
from urllib.parse import urlsplit

import uvicorn


def leave_with_parent():
    sys.stdin.read()
    os._exit(0)


def serve(application, url):
    threading.Thread(target=leave_with_parent, daemon=True).start()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", urlsplit(url).port))
    # Whoever connects from now on waits until the server is up.
    listener.listen()
    print("ready", flush=True)
    uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listener])
