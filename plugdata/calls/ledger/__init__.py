"""Every LLM call ever made: the open ledger (store), its tables, and ledgers at rest (archive, merge, transfer)."""
