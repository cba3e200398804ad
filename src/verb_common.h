/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What several verbs take: how they talk, and which time is now. */
#ifndef LIVESTICK_VERB_COMMON_H
#define LIVESTICK_VERB_COMMON_H

#include "src/base/progress.h"
#include "src/verb.h"

struct talk {
	bool quiet, json;
	bool progress_given;
	enum progress_mode progress;
};

#define TALK_OPTIONS                                                                                                   \
	{ "json", NULL, "the result as one JSON object" }, { "progress", "MODE", "auto, bar, lines, json or none" },   \
	{                                                                                                              \
		"quiet", NULL, "no progress, no talk"                                                                  \
	}

/* 1: the option was one of TALK_OPTIONS; 0: it is another; or -EINVAL, classed EXIT_USAGE. */
MUST_CHECK int talk_set(struct talk *t, const char *option, const char *value, struct err *e);
/* On stderr; to be freed by the caller. */
struct progress *talk_progress(const struct talk *t);
/* The same for several jobs at once. */
struct progress_group *talk_progress_group(const struct talk *t);

/*
 * SOURCE_DATE_EPOCH (reproducible-builds.org) if it is set, else now; `from_source`: the newest time of the source is
 * wanted instead, unless it is set. -EINVAL, classed EXIT_USAGE: it is no number.
 */
MUST_CHECK int choose_time(bool want_from_source, i64 *ret_time, bool *ret_from_source, struct err *e);

/* One of two words; returns which (0 or 1), or -EINVAL, classed EXIT_USAGE. */
MUST_CHECK int one_of(const char *option, const char *value, const char *first, const char *second, struct err *e);

#endif
