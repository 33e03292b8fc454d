import pytest

from ftdata.errors import UserError
from ftdata.remote import patterns
from ftdata.remote.cache import Cache
from ftdata.remote.copies import Copies
from ftdata.remote.remote_file import RemoteFile


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a{08..11}.tar", ["a08.tar", "a09.tar", "a10.tar", "a11.tar"]),
        ("a.tar", ["a.tar"]),
        ("{0..1}/{1..2}", ["0/1", "0/2", "1/1", "1/2"]),
        ("{0..1}", ["0", "1"]),
    ],
)
def test_braces_stand_for_numbers(pattern, expected):
    assert list(patterns._expanded(pattern)) == expected


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("train/a.tar", "*/*.tar", True),
        ("train/a.tar", "*.tar", False),
        ("a/b/c.tar", "**/*.tar", True),
        ("c.tar", "**/*.tar", True),
        ("a/b/c.tar", "a/**", True),
        ("a/b/c.jpg", "**/*.tar", False),
        ("data-00001.tar", "data-0000[12].tar", True),
        (".a.tar", "*.tar", False),
        (".a.tar", ".*.tar", True),
        ("x/.b/a.tar", "**/*.tar", False),
        ("x/.b/a.tar", "x/**", False),
    ],
)
def test_patterns_mean_what_they_mean_on_a_disk(name, pattern, expected):
    assert patterns._is_like(name.split("/"), pattern.split("/")) == expected


@pytest.mark.parametrize("name", ["a/..", "a/", "."])
def test_no_name_in_a_store_leads_out_of_the_folder_of_copies(name, tmp_path):
    url = f"s3://bucket/{name}"
    copies = Copies({url: RemoteFile(url, 1, '"1"')}, None, Cache(tmp_path, "s3://bucket"))
    with pytest.raises(UserError, match="cannot be copied under its name"), copies.lent(url):
        pass
