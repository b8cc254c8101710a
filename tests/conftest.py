"""Fixtures that more than one test file needs."""

from pathlib import Path

import pytest

from plugdata import assets
from plugdata.errors import AssetError


@pytest.fixture(scope="session")
def lid_model_path() -> Path:
    """lid.176.ftz, fetched once per machine; what needs it is skipped where it cannot be had."""
    try:
        return assets.fetch(assets.LID176)
    except AssetError as error:
        pytest.skip(f"no language ID model: {error}")
