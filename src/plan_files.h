/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Part of the plan: which files of the source the stick needs, and why the others stay behind. */
#ifndef LIVESTICK_PLAN_FILES_H
#define LIVESTICK_PLAN_FILES_H

#include "src/plan.h"

/* Fills p->copy (in the order of writing: kernels and initrds first) and p->leave. */
void plan_choose_files(struct plan *p);

#endif
