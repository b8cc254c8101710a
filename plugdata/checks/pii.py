"""Personal data in a text: e-mail addresses, phone numbers, card numbers, IBANs; found, or replaced by a fixed word.

Figures are everywhere in instruction data, so a number counts only by what no other number has: a card by its issuer's
prefix and length and its check digit (Luhn), an IBAN by its remainder (mod 97), a phone number by a "+" or by how it
is written. Years, sums, prices, dates, ISBNs and serial numbers are none. What stands for nobody is none either:
addresses at domains for examples (RFC 2606), North American numbers of exchange 555.
Takes whole texts; knows no language and no row.
"""

import re
from collections.abc import Callable, Collection
from itertools import pairwise

import polars as pl

EMAIL, PHONE, CARD, IBAN = KINDS = ("email", "phone", "card", "iban")

_NUMBER = r"\d(?:[ .()-]{0,2}\d){7}|[A-Z]{2}\d{2}[ A-Z0-9]{11}"
"""What every text has in which a number is found: eight digits of a phone or card, the head of an IBAN."""

_EMAIL = re.compile(r"(?a)(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_RESERVED = re.compile(r"(?i)(?:[@.]example\.(?:com|net|org)|\.(?:example|test|invalid|localhost))$")
_IBAN = re.compile(r"(?a)\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\dA-Za-z_.,+-])\d(?:[ -]?\d){12,18}(?![\dA-Za-z_-])")
_ISSUER = re.compile(
    r"(?a)4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6(?:011|22\d|4[4-9]\d|5\d\d)\d{12}"
)
"""Visa, Mastercard, American Express, Diners, JCB, Discover and UnionPay, by prefix and length (ISO/IEC 7812)."""
_PHONE = re.compile(
    r"(?<![\dA-Za-z_.,/+=*^-])\+?\(?\d(?:[ .()-]{0,2}\d){6,16}(?![\dA-Za-z_%]|[.,/=*^-]\d)"
)  # not \w: a Korean particle or a Chinese word follows without a blank
_ABROAD = re.compile(r"(?:\+|00[ (]{0,2}[1-9]).*")
_WRITTEN = re.compile(
    r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}"  # North America: (212) 736-5000
    r"|\(?0\d{1,4}\)?[ -]{1,2}\d{3,4}[ -]\d{3,4}"  # 020 7946 0123, 010-1234-5678, (03) 9123 4567
    r"|0\d(?:[ .]\d\d){4}"  # 01 42 68 53 00
)
_FICTION = re.compile(r"(?:\+? ?1[ .-]?)?\(?[2-9]\d\d\)?[ .-]?555[ .-]?\d{4}")


_SUSPECT = r"[0-9](?:[0-9 .()-]{7}|[0-9][ A-Z0-9]{11})"
"""In all that _NUMBER finds if its digits are ASCII's, and found several times faster: few texts hold even this."""


def may_hold(texts: pl.Series, foreign: pl.Series) -> pl.Series:
    """False only for a text in which nothing is found: of nearly all. Null stays null. `foreign`: which may have digits
    other than ASCII's (numbers.foreign_digits)."""
    places = (texts.str.contains(_SUSPECT) | foreign).arg_true()
    return texts.str.contains("@", literal=True).scatter(places, texts.gather(places).str.contains(f"@|{_NUMBER}"))


def kinds(text: str) -> list[str]:
    """The kinds of personal data in a text, in the order of KINDS."""
    found: set[str] = set()
    _replaced(text, KINDS, found)
    return [kind for kind in KINDS if kind in found]


def masked(text: str, kinds: Collection[str]) -> str:
    """The text with what is found of some kinds replaced, each by its own word: [EMAIL], [PHONE] …"""
    return _replaced(text, kinds, set())


def _replaced(text: str, kinds: Collection[str], found: set[str]) -> str:
    """`masked`, with the kinds added to `found`. Numbers that are longer come first: a card holds a phone's digits."""
    for kind, pattern, holds in _FINDERS:
        if kind in kinds and (kind != EMAIL or "@" in text):

            def word(match: re.Match[str], kind: str = kind, holds: Callable[[str], bool] = holds) -> str:
                if not holds(match[0]):
                    return match[0]
                found.add(kind)
                return f"[{kind.upper()}]"

            text = pattern.sub(word, text)
    return text


def _is_card(shown: str) -> bool:
    digits = _digits(shown)
    return bool(_ISSUER.fullmatch(digits)) and len(set(digits)) > 1 and _luhn(digits)


def _luhn(digits: str) -> bool:
    doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
    return (sum(map(sum, doubled)) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_iban(shown: str) -> bool:
    """Country, check digits, account: with the first four behind, letters as 10 to 35, the remainder by 97 is 1."""
    bare = shown.replace(" ", "")
    return 15 <= len(bare) <= 34 and int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 == 1


def _is_phone(shown: str) -> bool:
    digits = _digits(shown)
    if not 8 <= len(digits) <= 15 or _FICTION.fullmatch(shown):  # at most 15: ITU-T E.164
        return False
    if _ABROAD.fullmatch(shown):
        return len(digits) > 8 and not digits.endswith("00000")  # "+20,000,000 people"
    groups = [int(group) for group in re.findall(r"\d+", shown)]
    counts = all(after - before == 1 for before, after in pairwise(groups))  # 01 02 03 04 05
    return bool(_WRITTEN.fullmatch(shown)) and not counts


def _digits(shown: str) -> str:
    """The digits, of whatever script, as 0-9."""
    return "".join(str(int(char)) for char in shown if char.isdecimal())


_FINDERS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    (IBAN, _IBAN, _is_iban),
    (CARD, _CARD, _is_card),
    (EMAIL, _EMAIL, lambda shown: not _RESERVED.search(shown)),
    (PHONE, _PHONE, _is_phone),
)
