"""Licences: what each asks of a translation, and the one licence that a publication of given rows must carry.

Owns THE table (`LICENSES`, named as the Hub names them) and the arithmetic: NC stays NC, SA stays the same licence
(or a later version of it), ND allows no translation at all, an unknown licence stops a publication.

This is bookkeeping, not legal advice. It reads licences as their authors publish them; it knows nothing of the
terms under which a model's provider lets its output be used, nor of what the law where you live allows.

A licence that a recipe declares and the table lacks ("llama3.1", "my-university-1.0") is taken at its word but
never interpreted. Rows that all carry it are published under that very name (the Hub's `license: other` with
`license_name`), which cannot be looser than what was declared. Mixed with anything else it is refused: nobody can
compute with terms that have not been read. Refusing it outright would only teach people to write "other".
"""

from collections.abc import Iterable
from typing import NamedTuple

from plugdata.errors import GateError


class License(NamedTuple):
    """What a licence asks of those who share a translation. `rank`: of two that may be mixed, the higher is stricter.

    by: name the source.  nc: no commercial use.  sa: share under the same licence.  nd: share no adaptation.
    family: licences of one name; a later version of the same family may take an earlier one's place.
    """

    id: str
    name: str
    url: str
    family: str
    rank: int
    by: bool = True
    nc: bool = False
    sa: bool = False
    nd: bool = False


def _cc(kind: str, words: str, rank: int, versions: tuple[str, ...] = ("2.0", "3.0", "4.0")) -> list[License]:
    flags = kind.split("-")
    return [
        License(
            f"cc-{kind}-{version}",
            f"Creative Commons {words} {version}",
            f"https://creativecommons.org/licenses/{kind}/{version}/",
            f"cc-{kind}",
            rank + step,
            nc="nc" in flags,
            sa="sa" in flags,
            nd="nd" in flags,
        )
        for step, version in enumerate(versions)
    ]


_CC0, _ODC = "https://creativecommons.org/publicdomain/zero/1.0/", "https://opendatacommons.org/licenses"

_ALL = [
    License("cc0-1.0", "Creative Commons Zero 1.0", _CC0, "cc0", 0, by=False),
    License("pddl", "Open Data Commons Public Domain Dedication", f"{_ODC}/pddl/1-0/", "pddl", 1, by=False),
    License("mit", "MIT License", "https://opensource.org/license/mit", "mit", 10),
    License("bsd-3-clause", "BSD 3-Clause License", "https://opensource.org/license/bsd-3-clause", "bsd", 11),
    License("apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0", "apache", 12),
    License("odc-by", "Open Data Commons Attribution License 1.0", f"{_ODC}/by/1-0/", "odc-by", 13),
    *_cc("by", "Attribution", 20, ("2.0", "2.5", "3.0", "4.0")),
    License("odbl", "Open Data Commons Open Database License 1.0", f"{_ODC}/odbl/1-0/", "odbl", 30, sa=True),
    *_cc("by-sa", "Attribution-ShareAlike", 40),
    *_cc("by-nc", "Attribution-NonCommercial", 50),
    *_cc("by-nc-sa", "Attribution-NonCommercial-ShareAlike", 60),
    *_cc("by-nd", "Attribution-NoDerivatives", 70),
    *_cc("by-nc-nd", "Attribution-NonCommercial-NoDerivatives", 80),
]

LICENSES: dict[str, License] = {license.id: license for license in _ALL}
"""Every licence we can compute with, by the Hub's name for it."""

PER_ROW = "other"
"""The licence of a publication in which each row has its own."""

_NAMELESS = ("", "unknown", "none")


def normal(license: str | None) -> str | None:
    """A declared licence as the table spells it (case and edges); None for one that says nothing ("unknown")."""
    text = (license or "").strip()
    return None if text.lower() in _NAMELESS else text.lower() if text.lower() in (*LICENSES, PER_ROW) else text


def stricter(licenses: Iterable[str | None]) -> str | None:
    """The licence of a row whose twins carry these: unknown (None) beats all, then one we cannot read, then rank."""
    return max(map(normal, licenses), key=_strictness, default=None)


def computed(found: Iterable[tuple[str, str | None]], apart: bool = False) -> str:
    """The one licence that a publication of rows from these (source, licence) pairs must carry.

    apart: rows that cannot share one are published apart, and the publication as a whole is `PER_ROW`.
    Raises GateError where a source's licence is unknown, forbids translations, or cannot be mixed with another's.
    """
    by_license: dict[str | None, list[str]] = {}
    for source, license in sorted(set(found), key=str):
        by_license.setdefault(normal(license), []).append(source)
    if not by_license:
        raise GateError("there are no rows to compute a licence from")
    if None in by_license:
        raise GateError(
            f"the licence of {_names(by_license[None])} is unknown, so nothing may be published",
            "say it where the source is read (`--license cc-by-4.0` of `plugdata translate` and `pair --pivot`; "
            "`sources[i].license` and `plugdata run`), or answer for the whole with `publish.license`",
        )
    names = [name for name in by_license if name is not None]
    for name in names:
        if name in LICENSES and LICENSES[name].nd:
            raise GateError(
                f"{name} of {_names(by_license[name])} allows no adaptation, and a translation is one",
                "leave that source out, or ask its authors for permission and declare that licence",
            )
    if len(names) == 1:
        return names[0]
    result = _joint([LICENSES[name] for name in names]) if all(name in LICENSES for name in names) else None
    if result is None and not apart:
        mix = " + ".join(f"{name} ({_names(by_license[name])})" for name in names)
        raise GateError(
            f"rows under {mix} cannot share one licence",
            "set `publish.split_by_license: true` for configs of their own, publish them as separate corpora (one "
            "recipe each), or set `publish.license: other` and answer for it: every row then keeps its own in the "
            "column `license`",
        )
    return result or PER_ROW


def declared(license: str, found: Iterable[tuple[str, str | None]], apart: bool = False) -> str:
    """The licence a user answers for (`publish.license`), or `computed` of the pairs if that is what it says.

    It fills in for unknown sources and may be stricter than need be, or "other" (each row keeps its own licence in a
    column). It may not drop a condition of a source whose licence we know: who holds other rights to a source says
    so at that source. Raises GateError.
    """
    if license == "computed":
        return computed(found, apart)
    asked = normal(license)
    if asked is None:
        raise GateError(f"publish.license: {license!r} is no licence", "name one, or leave it `computed`")
    for source, name in sorted(set(found), key=str):
        if problem := _looser(asked, normal(name)):
            raise GateError(
                f"publish.license: {asked} {problem} of {source!r}",
                "leave it out to have it computed; rights of your own to a source belong in `sources[i].license`",
            )
    return asked


def on_card(license: str) -> dict[str, str]:
    """The licence as a card's metadata says it: the Hub's name, or `other` with a name and a link to LICENSE."""
    if license in LICENSES:
        return {"license": license}
    name = "per-row" if license == PER_ROW else license
    return {"license": "other", "license_name": name, "license_link": "LICENSE"}


def _strictness(license: str | None) -> tuple[int, int, str]:
    if license is None:
        return 2, 0, ""
    return (0, LICENSES[license].rank, license) if license in LICENSES else (1, 0, license)


def _joint(licenses: list[License]) -> str | None:
    """The licence that keeps every condition of these; None if there is none."""
    shared = {license.family for license in licenses if license.sa}
    if len(shared) > 1:
        return None
    strictest = max(licenses, key=lambda license: license.rank)
    return None if shared and strictest.family not in shared else strictest.id


def _looser(asked: str, source: str | None) -> str:
    """Which condition of a source's licence the asked one drops, in words; "" if none, or none that we can see."""
    theirs, ours = LICENSES.get(source or ""), LICENSES.get(asked)
    if theirs is not None and theirs.nd:
        return f"cannot lift the ban on adaptations ({source})"
    if source is None or asked in (source, PER_ROW):
        return ""
    if theirs is None:
        return f"drops the terms ({source})" if ours else f"may drop the terms ({source})"
    if ours is None:
        return f"may drop conditions ({source})" if theirs.by or theirs.nc or theirs.sa else ""
    if theirs.nc and not ours.nc:
        return f"drops the non-commercial condition ({source})"
    if theirs.sa and (ours.family != theirs.family or ours.rank < theirs.rank):
        return f"drops the share-alike condition ({source})"
    return f"drops the attribution ({source})" if theirs.by and not ours.by else ""


def _names(sources: list[str]) -> str:
    return ", ".join(map(repr, sources))
