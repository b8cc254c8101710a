"""Pure checks of texts: what they are written in, and whether they were translated. No rows, files or network."""
