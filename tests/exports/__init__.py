"""What trainers make of an export: with_*.py load one with a trainer's own code, each in a virtual environment of its
own, and look which tokens get loss. `make test-exports` runs them; pytest does not.

made.py, which needs plugdata, writes the exports; with_*.py, tiny.py and seen.py know plugdata only by what it
wrote.
"""
