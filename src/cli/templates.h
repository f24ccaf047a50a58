/* templates.h: the workflows that `reeve init` writes: src/cli/templates/NAME.yaml, embedded by the build. */
#ifndef RV_TEMPLATES_H
#define RV_TEMPLATES_H

#include "base/base.h"

typedef struct rv_template { const char *name, *what /* its first line */; rv_str text; } rv_template;
/* The first is the one that is written when none is named. */
extern const rv_template rv_templates[];
extern const uint32_t rv_template_count;

#endif
