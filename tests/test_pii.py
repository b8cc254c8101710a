"""Personal data: what is found and masked, and the many numbers that are none."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import rows
from plugdata.checks import numbers, pii
from plugdata.curate.filters import decide, fresh
from plugdata.curate.filters.measure import fields
from plugdata.recipe import Filter
from tests.test_filters import measured

FOUND = [
    ("Write to maria.lopez@correo.es, please.", ["email"], "Write to [EMAIL], please."),
    ("문의: kim_minsu@hanmail.net로 보내 주세요.", ["email"], "문의: [EMAIL]로 보내 주세요."),
    ("Call (212) 736-5000 now.", ["phone"], "Call [PHONE] now."),
    ("Llame al +34 912 345 678.", ["phone"], "Llame al [PHONE]."),
    ("Piga simu +254 712 345678 leo.", ["phone"], "Piga simu [PHONE] leo."),
    ("전화 010-1234-5678번으로 연락하세요.", ["phone"], "전화 [PHONE]번으로 연락하세요."),
    ("电话：+86 138 0013 8000。", ["phone"], "电话：[PHONE]。"),
    ("اتصل على الرقم +٢٠ ١٠ ١٢٣٤ ٥٦٧٨ اليوم", ["phone"], "اتصل على الرقم [PHONE] اليوم"),
    ("Appelez le 01 42 68 53 00.", ["phone"], "Appelez le [PHONE]."),
    ("Ring 020 7946 0123 after six.", ["phone"], "Ring [PHONE] after six."),
    ("Card: 4111 1111 1111 1111, thanks", ["card"], "Card: [CARD], thanks"),
    ("5500-0000-0000-0004", ["card"], "[CARD]"),
    ("IBAN DE89 3704 0044 0532 0130 00.", ["iban"], "IBAN [IBAN]."),
    ("GB82WEST12345698765432 or a@b.org", ["email", "iban"], "[IBAN] or [EMAIL]"),
]
NONE = [
    "In 1984 and 2001 it rained; 1939-1945 was war.",
    "ISBN 978-0-306-40615-7, also 0-306-40615-2 and 9780306406157.",
    "The total is $1,234,567.89, or 1 234 567,89 €, or 12.345.678 pesos.",
    "2020-01-15, 15/01/2020, 01.02.2020 10:30, 05-11-2020",
    "01 02 03 04 05 06 07 08",
    "3.14159265358979 and 2.71828182845904",
    "π ≈ 3,1415926535",
    "192.168.100.200 and 10.0.0.1:8080",
    "+1 2 3, 5 + 12345678 = 12345683, -123456789",
    "1000000000000 stars; 602214076000000000000000 atoms",
    "4111 1111 1111 1112 fails its check digit; 0000 0000 0000 0000 is nobody's.",
    "DE88 3704 0044 0532 0130 00 is a digit off.",
    "Write to jane@example.com or root@host.invalid, or call (212) 555-0147.",
    "@handle, price@ once, a @ b",
    "A1 2024 B2 2025 serial SN-0012-3456-7890-XY",
    "12345678",
    "+1000000000 and +20000000 people",
    "인구는 51,780,579명이고 2,345,678호입니다.",
]


@pytest.mark.parametrize(("text", "kinds", "masked"), FOUND)
def test_personal_data_is_found_and_masked(text: str, kinds: list[str], masked: str) -> None:
    assert pii.kinds(text) == kinds
    assert pii.masked(text, pii.KINDS) == masked
    assert pii.may_hold(pl.Series([text]), numbers.foreign_digits(pl.Series([text])))[0]


@pytest.mark.parametrize("text", NONE)
def test_other_numbers_are_no_personal_data(text: str) -> None:
    assert pii.kinds(text) == []
    assert pii.masked(text, pii.KINDS) == text


def test_only_the_kinds_asked_for_are_masked() -> None:
    assert pii.masked("a@b.org, +34 912 345 678", ["phone"]) == "a@b.org, [PHONE]"


PIECES = st.sampled_from([text for text, _, _ in FOUND] + NONE + [" ", "\n", "1", "+", "@", "(", "가"])


@given(st.lists(PIECES | st.text("0123456789+-() .@aZ", max_size=30), max_size=4).map("".join))
def test_nothing_is_found_in_what_was_masked_and_whole_columns_miss_nothing(text: str) -> None:
    masked = pii.masked(text, pii.KINDS)
    assert pii.kinds(text) == [] or masked != text
    assert (pii.kinds(text) == []) == (masked == text)
    if pii.kinds(text):
        assert pii.may_hold(pl.Series([text]), numbers.foreign_digits(pl.Series([text])))[0]


@given(st.integers(10**14, 10**15 - 1))
def test_one_check_digit_of_ten_makes_a_card(payload: int) -> None:
    assert sum(pii._luhn(f"{payload}{digit}") for digit in range(10)) == 1


@pytest.mark.parametrize(
    "hostile", ["1" * 100_000, "1 " * 50_000, "a." * 50_000, "(1" * 50_000, "a@" * 50_000, "AB12" * 25_000]
)
def test_a_hostile_text_is_searched(hostile: str) -> None:
    assert pii.masked(hostile, pii.KINDS) == hostile


def _decided(action: str, **values: Any) -> dict[str, Any]:
    settings = Filter.model_validate({"pii": {"action": action, "kinds": ["email", "phone"]}})
    frame = pl.DataFrame([measured(**values)], schema=rows.MEASURE)
    bounds = {"lid_min": 0.2} | {f"ratio_{f}_{end}": v for f in rows.FIELDS for end, v in (("min", 0), ("max", 9))}
    return decide(frame, settings, bounds).row(0, named=True)


TEXTS = {"instruction": "ana@correo.es에게 쓰세요", "pivot_response": "Call +34 912 345 678", "response": None}


def test_either_half_of_a_row_is_searched() -> None:
    asked = pl.DataFrame([measured(**TEXTS), measured()], schema=rows.MEASURE)
    texts = fields(asked)
    assert fresh.personal(texts, pl.Series([False] * 4)).to_list() == [["email", "phone"], []]


@pytest.mark.parametrize("action", ["flag", "mask", "drop"])
def test_a_row_with_personal_data_is_flagged_masked_or_dropped(action: str) -> None:
    row = _decided(action, pii=["email", "phone"], **TEXTS)
    texts = {name: row[name] for name in TEXTS}
    masked = {"instruction": "[EMAIL]에게 쓰세요", "pivot_response": "Call [PHONE]", "response": None}
    assert texts == (masked if action == "mask" else TEXTS)
    assert (row["status"], row["detail"]) == (("dropped", "email, phone") if action == "drop" else ("kept", None))


def test_a_kind_that_is_not_asked_for_is_left_alone() -> None:
    assert _decided("drop", pii=["card"])["status"] == "kept"
    assert _decided("mask", pii=["card"], response="4111 1111 1111 1111")["response"] == "4111 1111 1111 1111"
