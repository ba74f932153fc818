from pathlib import Path

from elsac.runtime.isa import ISA
from elsac.runtime.reference import isa_markdown

PAGE = Path(__file__).parents[3] / "docs" / "isa.md"


def test_page_is_up_to_date() -> None:
    # If not: python -m elsac.runtime.reference
    assert PAGE.read_text(encoding="utf-8") == isa_markdown()


def test_page_is_complete() -> None:
    for instruction in ISA:
        assert f"\n### {instruction.mnemonic}\n" in isa_markdown()
