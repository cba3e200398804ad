/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/verb_common.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

static int set_progress(struct talk *t, const char *value, struct err *e)
{
	static const struct {
		const char *name;
		enum progress_mode mode;
	} modes[] = { { "bar", PROGRESS_BAR },
		      { "lines", PROGRESS_LINES },
		      { "json", PROGRESS_JSON },
		      { "none", PROGRESS_NONE } };

	if (strcmp(value, "auto") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(value, modes[i].name) == 0) {
			t->progress = modes[i].mode;
			t->progress_given = true;
			return 0;
		}
	}
	return fail_as(e, EXIT_USAGE, -EINVAL, "--progress %s: is none of auto, bar, lines, json, none", value);
}

int talk_set(struct talk *t, const char *option, const char *value, struct err *e)
{
	int r = 0;

	if (strcmp(option, "json") == 0)
		t->json = true;
	else if (strcmp(option, "quiet") == 0)
		t->quiet = true;
	else if (strcmp(option, "progress") == 0)
		r = set_progress(t, value, e);
	else
		return 0;
	return r < 0 ? r : 1;
}

static enum progress_mode mode_of(const struct talk *t)
{
	if (t->quiet)
		return PROGRESS_NONE;
	if (t->progress_given)
		return t->progress;
	return isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_LINES;
}

struct progress *talk_progress(const struct talk *t)
{
	return progress_new(mode_of(t), stderr, NULL);
}

struct progress_group *talk_progress_group(const struct talk *t)
{
	return progress_group_new(mode_of(t), stderr, NULL);
}

int choose_time(bool want_from_source, i64 *ret_time, bool *ret_from_source, struct err *e)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char *end = NULL;

	if (epoch && *epoch) {
		errno = 0;
		*ret_time = strtoimax(epoch, &end, 10);
		if (errno || *end || *ret_time < 0)
			return fail_as(e, EXIT_USAGE, -EINVAL, "SOURCE_DATE_EPOCH=%s: is not a number of seconds",
			               epoch);
		return 0;
	}
	*ret_from_source = want_from_source;
	*ret_time = want_from_source ? 0 : time(NULL);
	return 0;
}

int one_of(const char *option, const char *value, const char *first, const char *second, struct err *e)
{
	if (strcmp(value, first) == 0)
		return 0;
	if (strcmp(value, second) == 0)
		return 1;
	return fail_as(e, EXIT_USAGE, -EINVAL, "--%s %s: is neither %s nor %s", option, value, first, second);
}
