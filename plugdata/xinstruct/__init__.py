"""X-Instruction's own work on texts and rows, for corpora whose responses are natural text of the language.

Owns what becomes of a document: its lines (lines), what of them is no text (cleaning, with its words in page.toml),
what a domain's pages share (boilerplate), where a long one is divided (segment), and the rows that come of it
(passages); and the questions about rows, with the rows that answers make (generate, leaks, rate, edit, rounds). Pure
functions. Must not know where documents come from, what a call is, nor how rows of a corpus
are compared: stages/ ties these together.
"""
