// node wasm.mjs PROJECT SITE ARGUMENTS…: pytest in Pyodide, on a project, with packages from a folder.

import { loadPyodide } from "../.cache/site/npm/node_modules/pyodide/pyodide.mjs";

const [project, site, ...options] = process.argv.slice(2);
const pyodide = await loadPyodide();
for (const [place, root] of [["/project", project], ["/site", site]]) {
  pyodide.FS.mkdirTree(place);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root }, place);
}
pyodide.globals.set("options", pyodide.toPy(options));
process.exit(
  await pyodide.runPythonAsync(`
import os
import sys

os.chdir("/project")
sys.path[:0] = ["/project", "/site"]
sys.dont_write_bytecode = True

import pytest

int(pytest.main(["-q", "--assert=plain", "-p", "no:cacheprovider", *options]))
`),
);
