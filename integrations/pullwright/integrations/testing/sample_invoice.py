"""The demo's sample: a small Python package whose invoices are one cent off, and the tests that say so."""

from __future__ import annotations

from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.sample import Edit, SampleIssue, SampleRepository

_README = """\
# invoice

Adds up invoices for small shops. All amounts are whole cents, so nothing is lost in binary fractions.

```python
from invoice import Invoice, Line

invoice = Invoice([Line("Notebook", unit_price=1999, quantity=3)], discount_percent=15)
print(invoice.total)
```

Percentages are rounded half up to the nearest cent, as the tax office wants it.

## Tests

    python3 -m unittest

Nothing needs to be installed.
"""

_AGENTS = """\
# Working on this repository

* Run the tests with `python3 -m unittest`; they need nothing but Python.
* Amounts are whole cents everywhere. Do not bring in floats.
* Keep changes small and do not change the tests to make them pass.
"""

_INIT = '''\
"""Invoices in whole cents."""

from invoice.model import Invoice, Line
from invoice.report import render

__all__ = ["Invoice", "Line", "render"]
'''

_MODEL = '''\
"""What an invoice is made of."""

from dataclasses import dataclass, field
from typing import List

from invoice.money import percent_of


@dataclass
class Line:
    """One position."""

    name: str
    unit_price: int
    quantity: int = 1

    @property
    def amount(self) -> int:
        """Cents for the whole position."""
        return self.unit_price * self.quantity


@dataclass
class Invoice:
    """Positions, a discount on all of them, and a tax on what is left."""

    lines: List[Line] = field(default_factory=list)
    discount_percent: int = 0
    tax_percent: int = 0

    @property
    def subtotal(self) -> int:
        """Cents before discount and tax."""
        return sum(line.amount for line in self.lines)

    @property
    def discount(self) -> int:
        """Cents that are taken off."""
        return percent_of(self.subtotal, self.discount_percent)

    @property
    def tax(self) -> int:
        """Cents of tax on the discounted amount."""
        return percent_of(self.subtotal - self.discount, self.tax_percent)

    @property
    def total(self) -> int:
        """Cents to pay."""
        return self.subtotal - self.discount + self.tax
'''

_MONEY = '''\
"""Arithmetic on whole cents."""


def percent_of(amount: int, percent: int) -> int:
    """Return ``percent`` per cent of an amount, rounded half up to the nearest cent."""
    return amount * percent // 100


def format_cents(amount: int) -> str:
    """Return an amount as a person writes it, for example ``12.30``."""
    return f"{amount // 100}.{amount % 100:02d}"
'''

_REPORT = '''\
"""Invoices as text."""

from invoice.money import format_cents


def render(invoice) -> str:
    """Return one line per position and the sums below them."""
    rows = [f"{line.quantity} x {line.name}: {format_cents(line.amount)}" for line in invoice.lines]
    if invoice.discount:
        rows.append(f"Discount: -{format_cents(invoice.discount)}")
    if invoice.tax:
        rows.append(f"Tax: {format_cents(invoice.tax)}")
    rows.append(f"Total: {format_cents(invoice.total)}")
    return "\\n".join(rows)
'''

_TEST_MONEY = """\
import unittest

from invoice.money import format_cents, percent_of


class PercentOf(unittest.TestCase):
    def test_exact(self):
        self.assertEqual(percent_of(2000, 15), 300)

    def test_below_half_is_rounded_down(self):
        self.assertEqual(percent_of(1003, 10), 100)

    def test_half_is_rounded_up(self):
        self.assertEqual(percent_of(1005, 10), 101)

    def test_above_half_is_rounded_up(self):
        self.assertEqual(percent_of(5997, 15), 900)


class FormatCents(unittest.TestCase):
    def test_two_digits(self):
        self.assertEqual(format_cents(1230), "12.30")
        self.assertEqual(format_cents(5), "0.05")
"""

_TEST_INVOICE = """\
import unittest

from invoice import Invoice, Line, render


class Totals(unittest.TestCase):
    def test_plain(self):
        self.assertEqual(Invoice([Line("Pen", 150, 2), Line("Paper", 499)]).total, 799)

    def test_discount(self):
        self.assertEqual(Invoice([Line("Notebook", 1999, 3)], discount_percent=15).total, 5097)

    def test_tax(self):
        self.assertEqual(Invoice([Line("Lamp", 4999)], tax_percent=19).total, 5949)

    def test_no_lines(self):
        self.assertEqual(Invoice().total, 0)


class Report(unittest.TestCase):
    def test_report(self):
        invoice = Invoice([Line("Notebook", 1999, 3)], discount_percent=15)
        self.assertEqual(render(invoice), "3 x Notebook: 59.97\\nDiscount: -9.00\\nTotal: 50.97")
"""

_ISSUE = """\
Customers tell us that some invoices are off by one cent.

**Steps**

```python
>>> from invoice import Invoice, Line
>>> Invoice([Line("Notebook", unit_price=1999, quantity=3)], discount_percent=15).total
5098
```

15 % of 59.97 is 8.9955, so the discount should be 9.00 and the total **50.97**. We get 50.98.

The README promises that percentages are rounded half up. `python3 -m unittest` fails for the same reason.
"""


def invoice() -> SampleRepository:
    """Return the invoice package: percentages are cut off where they should be rounded half up."""
    texts = {
        "README.md": _README,
        "AGENTS.md": _AGENTS,
        "invoice/__init__.py": _INIT,
        "invoice/model.py": _MODEL,
        "invoice/money.py": _MONEY,
        "invoice/report.py": _REPORT,
        "tests/__init__.py": "",
        "tests/test_invoice.py": _TEST_INVOICE,
        "tests/test_money.py": _TEST_MONEY,
    }
    return SampleRepository(
        name="invoice",
        files=tuple(TreeFile(path.encode(), text.encode()) for path, text in texts.items()),
        issue=SampleIssue(number=42, title="Invoice totals are one cent off with a discount", body=_ISSUE),
        edits=(
            Edit(b"invoice/money.py", b"return amount * percent // 100\n", b"return (amount * percent + 50) // 100\n"),
        ),
        check="python3 -m unittest",
    )
