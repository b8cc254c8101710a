"""What the project measures itself by. Run from the repository root: python -m benchmarks.NAME"""
