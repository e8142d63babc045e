"""The screens' JavaScript: ES modules of `assets/`, at URLs that name their version.

    /scripts/{version}/{name}   one module; browsers may keep it forever

The version is a hash of all modules, and their imports are relative. So a page loads every module of one version, and
never mixes them with those of an upgraded server, which no longer has the old version.

Gradio starts a screen with text (`js_on_load`, `js=`): one dynamic import. The page preloads all modules at once,
instead of one round trip for every level of imports.
"""

import hashlib
import posixpath
import re
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from . import assets

FOLDER = "/scripts/"
# Private: the modules are behind the password, too.
_HEADERS = {"Cache-Control": "private, max-age=31536000, immutable"}
_MODULES = {
    f"{prefix}{each.name}": each.read_bytes()
    for prefix, folder in (("", files(assets)), ("logic/", files(assets) / "logic"))
    for each in sorted(folder.iterdir(), key=str)
    if each.name.endswith(".js")
}
_IMPORT = re.compile(rb" from '(\./[\w./]+)';$", re.MULTILINE)


def _version(modules: dict[str, bytes]) -> str:
    return hashlib.blake2b(repr(sorted(modules.items())).encode(), digest_size=8).hexdigest()


_VERSION = _version(_MODULES)


def url(name: str) -> str:
    """URL of a module, relative to the page."""
    return f"{FOLDER.removeprefix('/')}{_VERSION}/{name}"


def starting(name: str) -> str:
    """JavaScript for `js_on_load` that calls the module's `start(element, watch, trigger)`."""
    failed = "element.textContent = 'This screen could not be loaded. Reload the page.'; throw error;"
    return f"{_imported(name)}.then(({{ start }}) => start(element, watch, trigger), (error) => {{ {failed} }});"


def starting_page(name: str) -> str:
    """JavaScript function for the page's `js=` that calls the module's `start()`."""
    return f"() => {{ {_imported(name)}.then(({{ start }}) => start()); }}"


def calling(name: str, function: str) -> str:
    """JavaScript function for an event's `js=` that calls this function of the module."""
    return f"(...values) => {_imported(name)}.then((module) => module.{function}(...values))"


def preloads(*names: str) -> str:
    """HTML for the page's head that loads these modules and all that they import."""
    found = list(names)
    for name in found:
        found += [each for each in _imports(name) if each not in found]
    return "\n".join(f'<link rel="modulepreload" href="{url(name)}">' for name in found)


def routes() -> list[Route]:
    """The route of the modules."""
    return [Route(f"{FOLDER}{{version}}/{{name:path}}", _module)]


def _module(request: Request) -> Response:
    module = _MODULES.get(request.path_params["name"])
    if module is None or request.path_params["version"] != _VERSION:
        return PlainTextResponse("No such script. Reload the page.", 404)
    return Response(module, media_type="text/javascript", headers=_HEADERS)


def _imported(name: str) -> str:
    # Relative to the page: an import in text would be relative to Gradio's script that runs it.
    return f"import(new URL('{url(name)}', document.baseURI))"


def _imports(name: str) -> list[str]:
    """Modules that a module imports."""
    paths = [each.decode() for each in _IMPORT.findall(_MODULES[name])]
    return [posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) for path in paths]
