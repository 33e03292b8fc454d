"""The settings of what is done with a trained model: literal values in, literal values out."""

import pytest

from ftdata.errors import UserError
from trainers.config import UseConfig

_DIGEST = "0123abcdEF" * 6 + "0123"


@pytest.mark.parametrize(
    "given",
    [
        _DIGEST,
        f" {_DIGEST}\n",
        f"receipt {_DIGEST}",
        f"receipt {_DIGEST}: keep this line elsewhere, and --phase=verify --receipt=DIGEST finds whatever\nis altered",
    ],
)
def test_a_receipt_may_be_the_whole_line_that_a_run_prints(given):
    assert UseConfig(receipt=given).receipt == _DIGEST


@pytest.mark.parametrize(
    "given", ["", "0123abc", "receipt", f"receipt of {_DIGEST}", f"{_DIGEST}0", "xyz", "0123abcd g"]
)
def test_what_is_no_receipt_is_refused(given):
    with pytest.raises(UserError, match="receipt must be the line that a run prints at its end, or the 8 to 64"):
        UseConfig(receipt=given)
