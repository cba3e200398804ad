/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "src/least_power.h"
#include "src/render.h"
#include "src/verb_common.h"
#include "src/verify.h"

#define SHOWN_MAX 20 /* checks of one kind that a person sees; JSON has them all */

struct state {
	struct verify_request request;
	struct talk talk;
};

static const struct verb_option options[] = {
	{ "source", "SOURCE", "compare the system with this one, file by file, and not with the manifest" },
	{ "capacity", NULL, "is it as large as it says? Writes only where no file is, and puts back what was there" },
	{ "boot", "[=LIST]", "start it in QEMU, twice: bios, uefi, secureboot, or all (what it has loaders for)" },
	{ "boot-timeout", "SECONDS", "that one start may take (120; 900 where all is emulated)" },
	{ "memory", "SIZE", "of the machine that it is started in (2G)" },
	{ "screenshot", "DIR", "pictures of the screen" },
	{ "allow-fixed", NULL, "with --capacity: also a drive that is not removable" },
	TALK_OPTIONS,
};

static int set_seconds(struct prove_request *q, const char *value, struct err *e)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n < 1 || n > 86400)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--boot-timeout %s: is no number of seconds", value);
	q->seconds = (unsigned)n;
	return 0;
}

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;
	struct verify_request *q = &s->request;
	int r = 0;

	if (strcmp(option, "source") == 0) {
		q->source = value;
	} else if (strcmp(option, "capacity") == 0) {
		q->capacity = true;
	} else if (strcmp(option, "allow-fixed") == 0) {
		q->target.allow_fixed = true;
	} else if (strcmp(option, "screenshot") == 0) {
		q->prove.screenshots = value;
	} else if (strcmp(option, "memory") == 0) {
		r = parse_size(option, value, &q->prove.memory, e);
	} else if (strcmp(option, "boot-timeout") == 0) {
		r = set_seconds(&q->prove, value, e);
	} else if (strcmp(option, "boot") == 0) {
		q->boots = true;
		q->firmwares = value;
	} else {
		r = MIN(talk_set(&s->talk, option, value, e), 0);
	}
	return r;
}

static int show_json(const struct state *s, const struct checks *c, struct err *e)
{
	struct json_object *o = json_result(), *list = json_object_new_array();

	json_add_text(o, "target", s->request.target.path);
	json_add_bool(o, "ok", checks_count(c, CHECK_BAD) == 0);
	for (size_t i = 0; i < c->n; i++) {
		const struct check *k = &c->check[i];
		struct json_object *item = json_object_new_object();

		json_add_text(item, "id", k->id);
		/* null: it could not be looked at. */
		json_object_object_add(
		    item, "ok", k->result == CHECK_UNKNOWN ? NULL : json_object_new_boolean(k->result == CHECK_OK));
		json_add_text(item, "detail", k->detail);
		json_object_array_add(list, item);
	}
	json_object_object_add(o, "checks", list);
	return json_print(o, e);
}

static void render(const struct checks *c, struct buf *out)
{
	static const char *const word[] = { [CHECK_OK] = "ok", [CHECK_BAD] = "BAD", [CHECK_UNKNOWN] = "?" };
	size_t same = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct check *k = &c->check[i];

		same = i && strcmp(k->id, c->check[i - 1].id) == 0 ? same + 1 : 0;
		if (same < SHOWN_MAX) {
			buf_addf(out, "%-4s %-18s ", word[k->result], k->id);
			buf_add_escaped(out, k->detail);
			buf_adds(out, "\n");
		} else if (i + 1 == c->n || strcmp(k->id, c->check[i + 1].id) != 0) {
			buf_addf(out, "     %-18s and %zu more\n", k->id, same - SHOWN_MAX + 1);
		}
	}
}

/* What is wrong is the run's error, so here is only what is not. */
static void render_sum(const struct state *s, const struct checks *c, struct buf *out)
{
	size_t unknown = checks_count(c, CHECK_UNKNOWN);

	if (checks_count(c, CHECK_BAD))
		return;
	buf_add_escaped(out, s->request.target.path);
	buf_addf(out, ": nothing wrong was found by %zu checks", c->n - unknown);
	if (unknown)
		buf_addf(out, "; %zu could not be made", unknown);
	buf_adds(out, "\n");
}

static int show(const struct state *s, const struct checks *c, struct err *e)
{
	AUTO_BUF struct buf out = { 0 };

	if (s->talk.json)
		return show_json(s, c, e);
	if (s->talk.quiet)
		return 0;
	render(c, &out);
	render_sum(s, c, &out);
	fputs(out.s, stdout);
	return finish_stdout(e);
}

static int verdict(const struct state *s, const struct checks *c, struct err *e)
{
	size_t bad = checks_count(c, CHECK_BAD);

	if (!bad)
		return 0;
	return fail_as(e, EXIT_DIFFERS, -EUCLEAN, "%s: %zu of %zu checks found something wrong", s->request.target.path,
	               bad, c->n);
}

static int verify(struct state *s, struct err *e)
{
	struct checks checks = { 0 };
	int r = verify_run(&s->request, &checks, e);

	if (r == 0)
		r = show(s, &checks, e);
	if (r == 0)
		r = verdict(s, &checks, e);
	checks_free(&checks);
	return r;
}

static void say(void *ctx, const char *line)
{
	AUTO_FREE char *text = escaped(line);

	progress_break(ctx);
	fprintf(stderr, "livestick: %s\n", text);
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	struct state *s = state;
	struct verify_request *q = &s->request;
	struct least_power power = { 0 };
	const struct least_power_request limits = {
		.plan = { .source = q->source,
		          .target = argv,
		          .n_targets = 1,
		          .results = q->prove.screenshots,
		          .writes = q->capacity,
		          .runs_programs = true,
		          .runs_qemu = q->boots },
		.verbose = s->talk.verbose,
	};
	int r;

	(void)argc;
	q->target.path = argv[0];
	q->progress = talk_progress(&s->talk);
	q->settled = least_power_close_to_stick;
	q->settled_ctx = &power;
	q->prove.say = s->talk.quiet ? NULL : say;
	q->prove.ctx = q->progress;
	r = prove_make_dir(&q->prove, e); /* before the right to do so is given up */
	if (r == 0)
		r = least_power_begin(&limits, &power, e);
	if (r == 0)
		r = verify(s, e);
	least_power_end(&power);
	progress_free(q->progress);
	return r;
}

const struct verb verb_verify = {
	.name = "verify",
	.args = "TARGET",
	.help =
	    "say what is proven about a stick: its structure, every file on it, that it starts and keeps what is saved",
	.min_args = 1,
	.max_args = 1,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
