"""A corpus as people look at it: its funnel and its rows, as data (stats) and on a terminal (screen)."""
