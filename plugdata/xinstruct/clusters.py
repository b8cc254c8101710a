"""Clusters of vectors: k-means (Lloyd 1982; in batches: Sculley 2010) by scikit-learn.

The paper does not say how it clusters, so all here is ours.

The same vectors in the same order give the same clusters, whatever the number of cores: sums are made by one thread, in
double precision. Another processor or release of scikit-learn may round otherwise and part a few rows otherwise.
Knows no text.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from plugdata.xinstruct.embed import Vectors

VERSION = 1
"""Raised when the same vectors would have other clusters."""

MOST_CLUSTERS = 1_000
"""Of the default: 2 million rows have as many by the rule, and nobody looks through more."""
LEARNT_FROM = 2**25
"""Numbers from which clusters are learnt, at most: 256 MB; of 100 dimensions 335,544 rows, of 1,536 some 22,000."""
AT_ONCE = 5_000
"""Rows that are told their cluster at a time."""
STARTS = 3
"""Beginnings that are tried: what scikit-learn did by default until it chose better ones (1.4)."""


def default_clusters(n_rows: int) -> int:
    """The square root of half the rows (Mardia, Kent and Bibby 1979, p. 365), from 2 to MOST_CLUSTERS."""
    return int(min(max(2, (n_rows / 2) ** 0.5), MOST_CLUSTERS))


def grouped(vectors: Vectors, n_clusters: int, seed: int) -> NDArray[np.int32]:
    """The cluster of each row, from 0, the largest first; there may be fewer than asked for.

    `vectors` may lie on disk (np.memmap). Where there are too many to learn from, it is every second one or third …
    that counts, so their order should be one of chance: rows are sorted by id, which is a hash.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    n_rows, n_dimensions = vectors.shape
    if n_rows < 2:
        return np.zeros(n_rows, np.int32)
    learnt = vectors[:: -(-n_rows * n_dimensions // LEARNT_FROM)].astype(np.float64)
    means = MiniBatchKMeans(min(n_clusters, len(learnt)), n_init=STARTS, random_state=seed)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters, which is no fault
        means.fit(learnt)
        parts = [means.predict(vectors[at : at + AT_ONCE].astype(np.float64)) for at in range(0, n_rows, AT_ONCE)]
    found, numbers = np.unique(np.concatenate(parts), return_inverse=True)
    by_size = np.argsort(-np.bincount(numbers), kind="stable")
    renamed = np.empty(len(found), np.int32)
    renamed[by_size] = np.arange(len(found), dtype=np.int32)
    return renamed[numbers]
