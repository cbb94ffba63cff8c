"""Documents that lie fail the build: generated parts, links, and every command that is written down."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from tests.house import generated
from tests.house.tree import ROOT, files

from issuer.__main__ import parser as issuer_parser
from resource_server.__main__ import parser as resource_parser

pytestmark = pytest.mark.house

DOCUMENTS = [path for path in files(".md") if path.parent == ROOT or path.parent.name in ("keys", "docs")]
PARSERS = {"mcp-issuer": issuer_parser, "mcp-resource": resource_parser}


@pytest.mark.parametrize("path", generated.PARTS, ids=lambda path: path.name)
def test_generated_parts_are_what_the_code_says(path: Path) -> None:
    assert path.read_text() == generated.filled(path), "run ./dev docs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_inside_the_project_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]*)\)", text):
        path, _, anchor = target.partition("#")
        assert (document.parent / path).exists(), target
        headings = re.findall(r"^#+ (.*)$", (document.parent / (path or document.name)).read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    names = re.findall(r"`((?:issuer|resource|tests|bench|deploy|docs|\.ci)/[\w./-]+)`", document.read_text())
    assert not [name for name in names if "NAME" not in name and not (ROOT / name).exists()]


def commands(text: str) -> list[list[str]]:
    """Every command of ours in the shell blocks of a document and between its backticks."""
    shell = re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    written = [line for block in shell for line in block.replace("\\\n", " ").splitlines()]
    written += re.findall(r"`([^`\n]+)`", text)
    found = (re.search(r"((?:\./dev|mcp-issuer|mcp-resource) .*)", line) for line in written)
    # What follows is not the command's: a remark, a redirection, the end of $(...)
    return [shlex.split(re.sub(r"( #| >|\)\"?\s*$).*", "", match[1])) for match in found if match]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_written_down_exist(document: Path) -> None:
    usage = (ROOT / "dev").read_text()
    for words in commands(document.read_text()):
        if words[0] == "./dev":
            assert re.search(rf"^{re.escape(words[1])}\b.*\)", usage, re.MULTILINE), words
        else:
            assert_is_taken(words)


def assert_is_taken(words: list[str]) -> None:
    """The parser knows these words (`list|new` stands for two commands, `...` for what the reader fills in)."""
    for alternative in words[1].split("|") if len(words) == 2 else [words[1]]:
        arguments = [alternative, *words[2:]]
        if "..." in arguments or any("|" in word for word in arguments):
            arguments = arguments[:1]
        complaint = io.StringIO()
        with (
            contextlib.redirect_stderr(complaint),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.suppress(SystemExit),
        ):
            PARSERS[words[0]]().parse_args(arguments)
        unknown = re.findall(r"(?:invalid choice|unrecognized arguments).*", complaint.getvalue())
        assert not unknown, words
