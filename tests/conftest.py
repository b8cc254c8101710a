"""Fixtures that more than one test file needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from plugdata import assets
from plugdata.errors import AssetError
from tests.servers.hub import HubServer

# No example is judged by its time: a first run builds tables of all of Unicode, and other work may share the machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def lid_model_path() -> Path:
    """lid.176.ftz, fetched once per machine; what needs it is skipped where it cannot be had."""
    try:
        return assets.fetch(assets.LID176)
    except AssetError as error:
        pytest.skip(f"no language ID model: {error}")


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A Hub of its own for each test."""
    with HubServer() as server:
        yield server
