/* import_npm.h: what the readers of package.json and turbo.json share. */
#ifndef RV_IMPORT_NPM_H
#define RV_IMPORT_NPM_H

#include "cli/import.h"
#include "spec/doc.h"

/* Where a value of a document stands. */
rv_import_place rv_import_place_of(rv_doc *doc, uint32_t value);
/* Make `node` run a script of a package.json (`doc`) as npm would: `bin` are the folders of programs, relative, divided by colons. */
void rv_import_npm_script(rv_import *import, rv_doc *doc, rv_str name, rv_str text, rv_import_place place, const char *bin,
                          rv_import_node *node);

#endif
