/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

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
	TALK_OPTIONS,
};

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;

	if (strcmp(option, "source") == 0)
		s->request.source = value;
	else
		return MIN(talk_set(&s->talk, option, value, e), 0);
	return 0;
}

static int show_json(const struct state *s, const struct checks *c, struct err *e)
{
	struct json_object *o = json_result(), *list = json_object_new_array();

	json_add_text(o, "target", s->request.target);
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
			buf_addf(out, "%-4s %-16s ", word[k->result], k->id);
			buf_add_escaped(out, k->detail);
			buf_adds(out, "\n");
		} else if (i + 1 == c->n || strcmp(k->id, c->check[i + 1].id) != 0) {
			buf_addf(out, "     %-16s and %zu more\n", k->id, same - SHOWN_MAX + 1);
		}
	}
}

static int show(const struct state *s, const struct checks *c, struct err *e)
{
	AUTO_BUF struct buf out = { 0 };

	if (s->talk.json)
		return show_json(s, c, e);
	if (s->talk.quiet)
		return 0;
	render(c, &out);
	fputs(out.s ? out.s : "", stdout);
	return finish_stdout(e);
}

static int verdict(const struct state *s, const struct checks *c, struct err *e)
{
	size_t bad = checks_count(c, CHECK_BAD);

	if (!bad)
		return 0;
	return fail_as(e, EXIT_DIFFERS, -EUCLEAN, "%s: %zu of %zu checks found something wrong", s->request.target, bad,
	               c->n);
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	struct state *s = state;
	struct checks checks = { 0 };
	int r;

	(void)argc;
	s->request.target = argv[0];
	s->request.progress = talk_progress(&s->talk);
	r = verify_run(&s->request, &checks, e);
	if (r == 0)
		r = show(s, &checks, e);
	if (r == 0)
		r = verdict(s, &checks, e);
	checks_free(&checks);
	progress_free(s->request.progress);
	return r;
}

const struct verb verb_verify = {
	.name = "verify",
	.args = "TARGET",
	.help = "say what is proven about a stick: its structure and every file on it",
	.min_args = 1,
	.max_args = 1,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
