"""Instructions as vectors that are near each other where two are about the same thing.

The paper embeds instructions but does not say with what. Built in is latent semantic analysis: n-grams of
letters, weighted by TF-IDF, and their singular vectors. It needs no weights and no network, and knows any language that
has letters. sentence-transformers is the user's own to install; an endpoint's embeddings are calls/embeddings.py's.

Knows no corpus and no cluster. scikit-learn is an optional dependency (`plugdata[diversify]`): it and scipy weigh more
than all the rest of what a corpus of translations needs.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from plugdata.errors import InputError
from plugdata.recipe import is_hub_id
from plugdata.recipe.natural import Diversify

Vectors: TypeAlias = NDArray[np.float32]
Embed: TypeAlias = Callable[[Sequence[str]], Vectors]
"""A vector of length 1 for each text, or of length 0 for one of which nothing is known: n × dimensions."""

VERSION = 1
"""Raised when the same texts would have other vectors."""

SAMPLE = 20_000
"""Texts from which `tfidf` learns, at most, in some two seconds: what is typical of a thousandth of the rows stands in
twenty of them."""
SPACED, UNSPACED = 5, 2
"""Letters of an n-gram; a shorter word is one by itself. Of planted topics (benchmarks/diversify.py) 5 letters gave a
purity of 0.86, 3 to 5 letters 0.75 in twice the time; two letters are a word in Chinese."""
COMMON = 3
"""An n-gram that stands in more than so many topics' worth of the texts says how something is asked, not what about:
"Write a news article" parts nobody from anybody. With all n-grams the purity of planted topics was 0.24, with those
of 1 topic's worth 0.81, of 10 0.40."""
RARE = 0.01
"""Share of the texts up to which no n-gram is common, however many topics there are: of a million rows, in 689
clusters, a seventh would have nothing left to tell them by."""
FEATURES = 2**15
DIMENSIONS = 100
"""What scikit-learn recommends for latent semantic analysis (its documentation of TruncatedSVD)."""


def check(settings: Diversify) -> None:
    """See, before a call is paid, that what the settings need is installed. Raises InputError."""
    if find_spec("sklearn") is None:
        raise InputError('diversify wants scikit-learn: pip install "plugdata[diversify]"', "or set `diversify: null`")
    if settings.embedder == "sentence-transformers" and find_spec("sentence_transformers") is None:
        raise InputError(
            "embedder sentence-transformers wants its package: pip install sentence-transformers",
            "or take the embedder tfidf, which needs no weights",
        )
    if isinstance(settings.model, str) and not is_hub_id(settings.model) and not Path(settings.model).is_dir():
        raise InputError(f"diversify.model: {settings.model}: no such folder", "name a Hub id, or a folder")


def tfidf(sample: Sequence[str], n_topics: int, seed: int, *, spaced: bool) -> Embed:
    """What gives texts their vectors, of DIMENSIONS at most, learnt from a sample of them.

    `n_topics` is what there may be of them; `spaced`: whether the language parts words by spaces.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    n = SPACED if spaced else UNSPACED
    grams = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(n, n),
        min_df=2,
        max_df=max(2, int(max(COMMON / n_topics, RARE) * len(sample))),
        max_features=FEATURES,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        learnt = grams.fit_transform(sample)
    except ValueError:  # no n-gram is left: nothing that some of the texts share and the others lack
        return lambda texts: np.zeros((len(texts), 1), np.float32)
    if learnt.shape[1] <= DIMENSIONS:
        return lambda texts: unit(grams.transform(texts).toarray())
    svd = TruncatedSVD(DIMENSIONS, random_state=seed)
    with threadpool_limits(1), np.errstate(invalid="ignore", divide="ignore"):
        # by one thread: the same on any number of cores. Ignored: the share of a variance of 0, which nobody asks for
        svd.fit(learnt)
    return lambda texts: unit(svd.transform(grams.transform(texts)))


def sentence_transformers(model: str) -> Embed:
    """What gives texts the vectors of a Hub id or folder. Raises InputError for one that cannot be loaded."""
    from sentence_transformers import SentenceTransformer

    try:
        loaded = SentenceTransformer(model)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"diversify.model: {model!r} cannot be loaded: {reason}", "a Hub id, or a folder") from error
    return lambda texts: unit(loaded.encode(list(texts), show_progress_bar=False))


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Vectors of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
