"""Calls through a provider's batch API: half the price, within a day, and no key paid twice, whoever is killed when."""
