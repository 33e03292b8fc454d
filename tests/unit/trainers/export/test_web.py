"""What the web page is made of, without a browser: tests/integration/test_web.py runs it."""

import base64
import hashlib
import io
import re
import tarfile

import pytest

from ftdata.errors import UserError
from tests.tools import html_page
from trainers.export import needed
from trainers.export.web import page, runtime


def test_the_page_is_sound_and_allows_no_script_but_its_own():
    text = page._html(("forky", "knife & <b>", "sp\noon"))
    parsed = html_page.Parsed(text)
    assert parsed.mistakes == []
    assert "<b>" not in text
    assert "<h1>forky, knife &amp; &lt;b&gt; or sp\\noon?</h1>" in text
    inline = re.findall(r"<script[^>]*>([^<]+)</script>", text)
    digests = [f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in inline]
    policy = next(values["content"] for values in parsed.all("meta") if "http-equiv" in values)
    assert len(inline) == 1
    assert f"script-src 'self' 'wasm-unsafe-eval' {digests[0]};" in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert not re.search(r"https?://", text)


def test_many_classes_are_counted_in_the_title():
    assert "<title>Which of 1,000 classes?</title>" in page._html([f"class {k}" for k in range(1000)])


def test_where_npm_is_missing_one_line_says_so_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^export_formats: web needs .* npm, .* is not installed here: where"):
        needed.check_installed(["web"], web_runtime=None)


def test_a_failure_of_npm_is_said_in_a_line(monkeypatch, tmp_path):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\necho 'npm error network' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UserError, match=r"npm could not fetch it \(network\): where npm is"):
        runtime.read(None)


def test_what_npm_brings_is_checked_by_digest(monkeypatch, tmp_path):
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\nfor n in core wasm-utils; do echo x > litertjs-$n-{runtime.VERSION}.tgz; done\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UserError, match=r"@litertjs/core .* is not the known file \(sha512\)"):
        runtime.read(None)


def _packages(folder, *, version=runtime.VERSION):
    """The files of both packages, such as in node_modules."""
    contents = {}
    for name, package in runtime._PACKAGES.items():
        for file in package.files:
            path = folder / "@litertjs" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            content = f'{{"version": "{version}"}}' if file == "package.json" else f"{name} {file}"
            path.write_text(content)
            contents[f"{name}/{file}"] = content.encode()
    return contents


def test_the_runtime_is_read_from_node_modules_and_what_is_around_it(tmp_path):
    contents = _packages(tmp_path / "node_modules")
    assert runtime.read(str(tmp_path)) == contents
    assert runtime.read(str(tmp_path / "node_modules")) == contents
    assert runtime.read(str(tmp_path / "node_modules/@litertjs")) == contents  # as in an earlier export


def test_the_runtime_is_read_from_the_files_that_npm_pack_leaves(tmp_path):
    contents = _packages(tmp_path / "elsewhere")
    for name in runtime._PACKAGES:
        with tarfile.open(tmp_path / f"litertjs-{name}-2.5.3.tgz", "w:gz") as archive:
            for file, content in contents.items():
                if file.startswith(f"{name}/"):
                    member = tarfile.TarInfo("package" + file.removeprefix(name))
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    assert runtime.read(str(tmp_path)) == contents


def test_another_version_is_noted(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("ftdata.log.log.propagate", True)
    _packages(tmp_path, version="3.0.0")
    with caplog.at_level("INFO"):
        runtime.read(str(tmp_path))
    assert "holds @litertjs/core 3.0.0; the page was tested with 2.5.3" in caplog.text


@pytest.mark.parametrize("spoil", ["absent", "empty", "half", "no archive"])
def test_a_folder_without_the_runtime_is_refused_in_one_line(tmp_path, spoil):
    folder = tmp_path / "runtime"
    if spoil != "absent":
        folder.mkdir()
    if spoil == "half":
        _packages(folder)
        (folder / "@litertjs/core/wasm/litert_wasm_internal.wasm").unlink()
    if spoil == "no archive":
        (folder / "litertjs-core-2.5.3.tgz").write_text("nothing")
    with pytest.raises(UserError, match=r"^web_runtime .*(is no folder|holds no @litertjs/core|is no package)[^\n]*$"):
        needed.check_installed(["web"], web_runtime=str(folder))
