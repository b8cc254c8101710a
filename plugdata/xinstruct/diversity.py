"""How diverse instructions are: how evenly they are spread over topics, and how like each is to the nearest other.

Knows no corpus.
"""

import numpy as np
import polars as pl

SAMPLE = 1_000
"""Instructions that are compared with each other: half a million pairs, in about a second."""
GRAM = 3


def measured(rows: pl.DataFrame) -> dict[str, float]:
    """Diversity of all rows ("…_before") and of those that are taken ("…_after"); NaN never.

    Needs: instruction, topic, is_news, and `out`, null for a row that is taken. The clusters are those that sampling
    went by, so that they show what it did; the overlap knows nothing of them. It is measured on as many rows before as
    after, since the nearest of more is nearer.
    """
    after = rows.filter(pl.col("out").is_null())
    found = {"clusters": float(rows["topic"].n_unique())}
    for name, part in (("before", rows), ("after", after)):
        shares = part["topic"].value_counts()["count"].to_numpy() / max(part.height, 1)
        overlap = self_overlap(_spread(part["instruction"], min(SAMPLE, after.height)))
        found |= {
            f"rows_{name}": float(part.height),
            f"clusters_used_{name}": float(len(shares)),
            f"largest_cluster_share_{name}": round(float(shares.max(initial=0)), 4),
            f"topic_entropy_bits_{name}": round(float(-(shares * np.log2(shares)).sum()) + 0.0, 4),
            f"self_overlap_{name}": round(overlap, 4),
        }
        if part["is_news"].count():
            found[f"news_{name}"] = float(part["is_news"].sum())
    return found


def self_overlap(texts: pl.Series) -> float:
    """The mean, over texts, of the highest Jaccard similarity to any other of them, in n-grams of 3 letters; 0 to 1.

    The idea is self-BLEU's (Zhu et al. 2018, arXiv 1802.01886): each text against all others, lower is more diverse.
    Letters serve any script. 0 for fewer than two texts.
    """
    if len(texts) < 2:
        return 0.0
    from sklearn.feature_extraction.text import CountVectorizer

    grams = CountVectorizer(analyzer="char_wb", ngram_range=(GRAM, GRAM), binary=True, dtype=np.float32)
    try:
        has = grams.fit_transform(texts)
    except ValueError:  # not one letter in any of them
        return 1.0
    shared = (has @ has.T).toarray()
    sizes = shared.diagonal()
    jaccard = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)
    np.fill_diagonal(jaccard, 0)
    return float(jaccard.max(axis=1).mean())


def _spread(texts: pl.Series, n: int) -> pl.Series:
    """So many of the texts, evenly from all: in the order of ids, which are hashes, that is a sample by chance."""
    return texts.gather([at * len(texts) // n for at in range(n)])
