import pytest

from ftdata.errors import UserError
from ftdata.remote.failures import Changed, Transient
from ftdata.remote.patience import Patience


def test_what_fails_for_a_while_is_tried_again_and_said_once(caplog, capsys):
    answers = iter([Transient("HTTP 500"), Transient("HTTP 500"), "content"])

    def request():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert Patience(5)("s3://bucket/a.jpg", request) == "content"
    said = capsys.readouterr().out
    assert said.count("HTTP 500") == 1
    assert "s3://bucket/a.jpg: HTTP 500; it is tried again" in said


def test_patience_ends_with_one_line():
    tries = []

    def request():
        tries.append(1)
        raise Transient("no answer in time")

    with pytest.raises(UserError, match=r"gs://a/b could not be read in 0.6 s \(\d tries, .*: no answer in time\)"):
        Patience(0.6)("gs://a/b", request)
    assert len(tries) > 1


def test_what_will_not_go_away_is_not_tried_again():
    tries = []

    def request():
        tries.append(1)
        raise Changed("s3://a/b")

    with pytest.raises(Changed):
        Patience(5)("s3://a/b", request)
    assert len(tries) == 1
