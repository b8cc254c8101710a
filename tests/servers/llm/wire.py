"""HTTP/1.1 as bytes, and the certificate of https. It must not know what is asked or answered."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Head(NamedTuple):
    """Of a request; headers by lower-case name."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


def parse_head(head: bytes) -> Head:
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ", 2)
    path, _, query = target.partition("?")
    headers = (line.partition(":") for line in lines)
    return Head(method, path, query, {name.lower(): value.strip() for name, _, value in headers})


async def read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    chunks = []
    while n_bytes := int((await reader.readline()).split(b";")[0], 16):
        chunks.append(await reader.readexactly(n_bytes))
        await reader.readline()
    await reader.readline()
    return b"".join(chunks)


def render_head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {http.client.responses.get(status, '')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Tls(NamedTuple):
    context: ssl.SSLContext
    certificate: str  # PEM, for a client that is to trust it


@cache
def self_signed() -> Tls:
    """A fresh certificate for 127.0.0.1, one a process, made by the command `openssl`; its key leaves no file."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        written = ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*command, *subject, *written], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return Tls(context, certificate.read_text())
