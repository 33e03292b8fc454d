"""A listing made ahead is taken over once, soon, and by the same images."""

import pytest

from ftdata.config import DataConfig
from ftdata.folders import local


@pytest.fixture
def config(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "0.jpg").write_bytes(b"not looked into")
    return DataConfig(image_dir=str(tmp_path / "photos"))


def test_it_is_taken_over_once(config):
    made = local.ahead(config)
    assert local.listed(config) is made
    assert local.listed(config) is not made


def test_another_question_makes_another(config, monkeypatch):
    made = local.ahead(config)
    assert local.listed(config, known=["a", "b"]) is not made  # for a model that is measured on it
    made = local.ahead(config)
    monkeypatch.setattr(local, "_SOON_S", 0.0)
    assert local.listed(config) is not made


def test_places_of_this_machine_are_local():
    assert local.is_local(DataConfig(image_dir="photos"))
    assert local.is_local(DataConfig(labels_csv="labels.csv", image_dir="photos"))
    for other in ({"image_dir": "s3://bucket/photos"}, {"records": "*.tar"}, {"dataset": "cutlery"}, {}):
        assert not local.is_local(DataConfig(**other))
