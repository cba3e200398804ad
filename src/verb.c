/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/verb.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

/* getopt's own messages are switched off: the error is ours to say. */
static int bad_option(const struct verb *v, char **argv, int c, struct err *e)
{
	const char *word = argv[optind - 1];

	if (c == ':')
		return fail_as(e, EXIT_USAGE, -EINVAL, "%s: %s needs a value", v->name, word);
	return fail_as(e, EXIT_USAGE, -EINVAL, "%s: %s: no such option (see livestick %s --help)", v->name, word,
	               v->name);
}

static int takes(const struct verb_option *o)
{
	if (!o->arg)
		return no_argument;
	return *o->arg == '[' ? optional_argument : required_argument;
}

static void print_help(const struct verb *v)
{
	printf("usage: livestick %s %s%s\n\n%s\n", v->name, v->n_options ? "[options] " : "", v->args, v->help);
	if (v->n_options)
		printf("\n");
	for (size_t i = 0; i < v->n_options; i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", v->option[i].name,
		         takes(&v->option[i]) == required_argument ? " " : "",
		         v->option[i].arg ? v->option[i].arg : "");
		printf("  %-24s %s\n", left, v->option[i].help);
	}
}

static int parse(const struct verb *v, void *state, int argc, char **argv, bool *ret_help, struct err *e)
{
	AUTO_FREE struct option *longs = xcalloc(v->n_options + 2, sizeof(*longs));
	int c, index = 0, r = 0;

	for (size_t i = 0; i < v->n_options; i++)
		longs[i] = (struct option){ v->option[i].name, takes(&v->option[i]), NULL, 1000 };
	longs[v->n_options] = (struct option){ "help", no_argument, NULL, 'h' };
	opterr = 0;
	optind = 1;
	while (r == 0 && (c = getopt_long(argc, argv, ":h", longs, &index)) != -1) {
		if (c == 'h')
			*ret_help = true;
		else if (c != 1000)
			r = bad_option(v, argv, c, e);
		else
			r = v->set(state, longs[index].name, optarg, e);
	}
	return r;
}

int verb_call(const struct verb *v, int argc, char **argv, struct err *e)
{
	AUTO_FREE void *state = xcalloc(1, v->state_size);
	bool help = false;
	int r = parse(v, state, argc, argv, &help, e);

	if (r < 0)
		return r;
	if (help) {
		print_help(v);
		return finish_stdout(e);
	}
	argc -= optind;
	argv += optind;
	if (argc < v->min_args || argc > v->max_args)
		return fail_as(e, EXIT_USAGE, -EINVAL, "usage: livestick %s %s%s", v->name,
		               v->n_options ? "[options] " : "", v->args);
	return v->run(state, argc, argv, e);
}

int parse_size(const char *option, const char *text, u64 *ret_bytes, struct err *e)
{
	static const char units[] = "KMGT";
	char *end = NULL;
	const char *unit;
	double n, scale = 1;

	errno = 0;
	n = isdigit((unsigned char)*text) ? strtod(text, &end) : -1;
	if (n < 0 || errno)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--%s %s: is not a size such as 8G or 512M", option, text);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		for (const char *u = units; u <= unit; u++)
			scale *= 1024;
		end++;
	}
	if (*end == 'i')
		end++;
	if (*end == 'B')
		end++;
	if (*end || n * scale >= (double)INT64_MAX || n * scale < 1)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--%s %s: is not a size such as 8G or 512M", option, text);
	*ret_bytes = (u64)(n * scale);
	return 0;
}

int finish_stdout(struct err *e)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail(e, -EIO, "standard output: %s", strerror(errno));
	return 0;
}
