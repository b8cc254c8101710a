"""What DESIGN §7 measures the project by. Run from the repository root: python -m benchmarks.NAME"""
