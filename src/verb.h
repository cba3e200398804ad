/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A verb of the command line is a row: usage, number of arguments, options and help all come from it. One file per
 * verb: parse, call, render.
 */
#ifndef LIVESTICK_VERB_H
#define LIVESTICK_VERB_H

#include "src/base/err.h"

struct verb_option {
	const char *name; /* without the dashes */
	const char *arg;  /* NULL: a switch; "[=WORD]": a value may follow after "=" */
	const char *help; /* NULL: the alias of the row before */
};

struct verb {
	const char *name;
	const char *args; /* of the usage line: "SOURCE TARGET" */
	const char *help; /* one line */
	int min_args, max_args;
	const struct verb_option *option;
	size_t n_options;
	/* Called for each option given; `value` is NULL for a switch, and where none was given. */
	int (*set)(void *state, const char *option, const char *value, struct err *e);
	int (*run)(void *state, int argc, char **argv, struct err *e);
	size_t state_size; /* the verb's own state, zeroed before the first set() */
};

extern const struct verb verb_list, verb_inspect, verb_create, verb_upgrade, verb_rollback, verb_verify, verb_boot;

/* Parses options anywhere among the arguments, then runs. A mistake is classed EXIT_USAGE. */
MUST_CHECK int verb_call(const struct verb *v, int argc, char **argv, struct err *e);

/* "8G", "512M", "1.5G", "4096": K, M, G, T are powers of 1024. -EINVAL classed EXIT_USAGE. */
MUST_CHECK int parse_size(const char *option, const char *text, u64 *ret_bytes, struct err *e);

/* Ends a verb's result on stdout: a full disk or a closed pipe is a failure like any other. */
MUST_CHECK int finish_stdout(struct err *e);

#endif
