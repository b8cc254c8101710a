"""All that costs money. A row's task asks, and this is the way of a request until its answer is in the ledger:

    dispatch ─► pool ─────► caller ──────► endpoint ──► retry ─► client ─► the provider
    (rows,      (which      (single        (its turn:   (faults)
     workers)    model,      flight,        limiter,
                 what is     claim,         climb,
                 known)      money)         headers)
                    ▲            │
                    └── ledger ◄─┘   ─► batch: the same requests as files, in rounds

The contract of this room: a call is identified by its key; it is claimed, with the money it may cost, before it is
sent; its answer is committed before anyone parses it; a key in the ledger is never sent again.
"""
