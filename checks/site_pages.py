"""The site's pages that are not in docs/, and links to files that the site does not have. A hook of MkDocs."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

# Pages of the repository's root, by their names on the site.
ROOT_PAGES = {"readme.md": "README.md", "changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md",
              "security.md": "SECURITY.md"}

_ON_SITE = {target: page for page, target in ROOT_PAGES.items()}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the root's pages."""
    for page, source in ROOT_PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Links as the site has them. One to a file that is no page is its text alone, or leads to ``repo_url``."""
    folder = "" if page.file.src_uri in ROOT_PAGES else config["docs_dir"].rsplit("/", 1)[-1]

    def link(found: re.Match[str]) -> str:
        image, text, target, anchor = found[1], found[2], found[3], found[4] or ""
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in _ON_SITE:
            return f"{image}[{text}]({_ON_SITE[path]}{anchor})"
        if path.startswith("docs/"):
            return f"{image}[{text}]({path.removeprefix('docs/')}{anchor})"
        if not (ROOT / path).exists():
            return found[0]  # MkDocs reports it
        return f"[{text}]({config['repo_url'].rstrip('/')}/blob/main/{path})" if config["repo_url"] else text

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)
