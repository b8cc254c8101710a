"""All that costs money: the ledger, the limits, the retries, the client, the loop that asks.

The contract of this room: a call is identified by its key; an answer is committed to the ledger before anyone
parses it; a key in the ledger is never sent again.
"""
