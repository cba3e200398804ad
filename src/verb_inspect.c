/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "src/bios.h"
#include "src/content.h"
#include "src/least_power.h"
#include "src/media/guard.h"
#include "src/render.h"
#include "src/stick.h"
#include "src/verb.h"

struct state {
	bool json, verbose;
	struct facts_options facts;
};

static const struct verb_option options[] = {
	{ "family", "NAME", "take the live system of a source to be of this family" },
	{ "initrd", "own|source", "start the system by livestick's own initrd, or never" },
	{ "json", NULL, "the result as one JSON object" },
	{ "verbose", NULL, "say what the program has given up the right to do" },
};

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;

	if (strcmp(option, "json") == 0)
		s->json = true;
	else if (strcmp(option, "verbose") == 0)
		s->verbose = true;
	else if (strcmp(option, "family") == 0)
		s->facts.family = value;
	else if (strcmp(value, "own") == 0 || strcmp(value, "source") == 0)
		s->facts.initrd = *value == 'o' ? INITRD_OWN : INITRD_SOURCE;
	else
		return fail_as(e, EXIT_USAGE, -EINVAL, "--initrd %s: is neither own nor source", value);
	return 0;
}

static void date_text(const char *seconds, struct buf *out)
{
	time_t t = (time_t)strtoll(seconds ? seconds : "0", NULL, 10);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	buf_adds(out, text);
}

static const char *text_or(const char *text, const char *other)
{
	return text && *text ? text : other;
}

static void slot_text(const struct stick *s, int i, struct buf *out)
{
	const struct manifest *m = &s->slot[i];

	buf_addf(out, "Slot %c   ", 'a' + i);
	buf_add_escaped(out, text_or(manifest_get(m, "volume"), "without a label"));
	buf_adds(out, " (");
	buf_add_escaped(out, text_or(manifest_get(m, "family"), "unknown family"));
	buf_adds(out, "), from ");
	buf_add_escaped(out, text_or(manifest_get(m, "source"), "an unknown source"));
	buf_adds(out, ", written ");
	date_text(manifest_get(m, "written"), out);
	buf_addf(out, ", %zu files, ", m->n_files);
	buf_add_size(out, content_bytes(m));
	buf_adds(out, s->menu_switch.slot == 'a' + i ? ", starts by default\n" : "\n");
}

/* What `upgrade` would find: how large a system fits into the slot that does not start. */
struct room {
	bool is_known;
	u64 bytes;
	char *why_not; /* BOOT cannot be changed as it is; NULL: it can */
	bool may_mend; /* and that can be helped */
	struct updater *boot;
};

static void room_free(struct room *r)
{
	update_close(r->boot);
	free(r->why_not);
}

static void read_room(const struct stick *s, struct device *d, struct room *ret)
{
	enum slot spare = s->menu_switch.slot == 'b' ? SLOT_A : SLOT_B;
	AUTO_ERR struct err e = { 0 };
	int r = stick_open_boot(s, d, &ret->boot, &e);

	if (r < 0) {
		ret->may_mend = r == -EUCLEAN;
		ret->why_not = xstrdup(e.text ? e.text : "BOOT cannot be read");
		return;
	}
	ret->is_known = true;
	ret->bytes = ret->boot->numbers.free_before + (s->has_slot[spare] ? content_bytes(&s->slot[spare]) : 0);
}

static void room_text(const struct room *r, struct buf *out)
{
	buf_adds(out, "Upgrade  ");
	if (r->is_known) {
		buf_adds(out, "a system of about ");
		buf_add_size(out, r->bytes);
		buf_adds(out, " fits beside the one that starts\n");
	} else {
		buf_adds(out, "not possible: ");
		buf_add_escaped(out, r->why_not);
		buf_adds(out, r->may_mend ? " (upgrade --repair mends it)\n" : "\n");
	}
	for (size_t i = 0; r->boot && i < r->boot->n_leftover; i++)
		buf_addf(out, "Left     by an upgrade that was cut off: %s (the next one mends it)\n",
		         r->boot->leftover[i]);
}

/* Which BIOS loader starts, and whether an upgrade was cut off while it renewed it. */
struct loader {
	bool is_there;
	struct bios bios;
	char *release;
	char *why_not; /* it cannot be told; NULL: it can */
};

static void loader_free(struct loader *l)
{
	bios_free(&l->bios);
	free(l->release);
	free(l->why_not);
}

static void read_loader(const struct stick *s, struct device *d, struct loader *ret)
{
	AUTO_ERR struct err e = { 0 };

	ret->is_there = bios_is_there(s);
	if (!ret->is_there)
		return;
	if (bios_read(d, s, &ret->bios, &e) < 0)
		ret->why_not = xstrdup(e.text ? e.text : "it cannot be read");
	else
		ret->release = syslinux_release(&ret->bios.set.file[BIOS_CORE]);
}

static bool loader_is_unfinished(const struct loader *l)
{
	return l->release && (!l->bios.is_listed || l->bios.has_leftover || !bios_backup_is_same(&l->bios));
}

static void loader_text(const struct loader *l, struct buf *out)
{
	if (!l->is_there)
		return;
	buf_adds(out, "BIOS     ");
	if (l->release) {
		buf_adds(out, "SYSLINUX ");
		buf_add_escaped(out, text_or(l->release, "without a version"));
		buf_addf(out, ", in %s\n", l->bios.dir);
	} else {
		buf_add_escaped(out, l->why_not);
		buf_adds(out, "\n");
	}
	if (loader_is_unfinished(l))
		buf_adds(out,
		         "Left     by an upgrade that was cut off while it renewed the BIOS loader (the next one ends "
		         "it)\n");
}

static struct json_object *loader_json(const struct loader *l)
{
	struct json_object *o = json_object_new_object();

	if (l->release) {
		json_add_text(o, "version", l->release);
		json_add_text(o, "directory", l->bios.dir);
	} else {
		json_add_text(o, "why_not", l->why_not);
	}
	json_add_bool(o, "unfinished", loader_is_unfinished(l));
	return o;
}

static void unfinished_text(const struct stick *s, struct buf *out)
{
	for (int i = 0; i < N_SLOTS; i++)
		if (stick_is_unfinished(s, i))
			buf_addf(out, "Slot %c   holds an upgrade that was cut off: run upgrade again\n",
			         slot_letter(i));
}

static void ours_text(const struct stick *s, struct device *d, struct buf *out)
{
	struct room room = { 0 };
	struct loader loader = { 0 };

	for (int i = 0; i < N_SLOTS; i++)
		if (s->has_slot[i])
			slot_text(s, i, out);
	unfinished_text(s, out);
	read_loader(s, d, &loader);
	loader_text(&loader, out);
	loader_free(&loader);
	buf_adds(out, "Keeps    on the partition labelled ");
	buf_add_escaped(out, text_or(manifest_get(&s->manifest, "data-label"), "(unknown)"));
	buf_adds(out, "\n");
	read_room(s, d, &room);
	room_text(&room, out);
	room_free(&room);
}

static int show_stick_text(const struct stick *s, struct device *d, struct err *e)
{
	AUTO_BUF struct buf out = { 0 };

	buf_add_escaped(&out, d->name);
	buf_adds(&out, ": ");
	buf_add_size(&out, d->size);
	buf_adds(&out, s->is_ours ? ", a stick made by livestick\n" : ", not made by livestick\n");
	render_scan(&s->scan, &out);
	if (s->is_ours)
		ours_text(s, d, &out);
	if (s->damage) {
		buf_adds(&out, "Damaged  ");
		buf_add_escaped(&out, s->damage);
		buf_adds(&out, "\n");
	}
	fputs(out.s, stdout);
	return finish_stdout(e);
}

static struct json_object *manifest_json(const struct manifest *m)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < m->n_settings; i++) {
		AUTO_FREE char *key = escaped(m->setting[i].key);

		json_add_text(o, key, m->setting[i].value);
	}
	json_add_bytes(o, "files", m->n_files);
	json_add_bytes(o, "bytes", content_bytes(m));
	return o;
}

static void ours_json(const struct stick *s, struct device *d, struct json_object *o)
{
	struct json_object *unfinished = json_object_new_array(), *left = json_object_new_array();
	struct room room = { 0 };
	struct loader loader = { 0 };

	json_object_object_add(o, "stick", manifest_json(&s->manifest));
	read_loader(s, d, &loader);
	if (loader.is_there)
		json_object_object_add(o, "bios_loader", loader_json(&loader));
	loader_free(&loader);
	for (int i = 0; i < N_SLOTS; i++)
		if (stick_is_unfinished(s, i))
			json_object_array_add(unfinished, json_object_new_string(i ? "b" : "a"));
	json_object_object_add(o, "unfinished", unfinished);
	read_room(s, d, &room);
	if (room.is_known)
		json_add_bytes(o, "upgrade_room", room.bytes);
	else
		json_add_text(o, "no_upgrade", room.why_not);
	for (size_t i = 0; room.boot && i < room.boot->n_leftover; i++)
		json_object_array_add(left, json_object_new_string(room.boot->leftover[i]));
	json_object_object_add(o, "leftover", left);
	room_free(&room);
}

static int show_stick_json(const struct stick *s, struct device *d, struct err *e)
{
	struct json_object *o = json_result(), *slots = json_object_new_object();

	json_add_text(o, "what", "stick");
	json_add_text(o, "path", d->name);
	json_add_bytes(o, "size", d->size);
	json_add_bool(o, "made_by_livestick", s->is_ours);
	json_object_object_add(o, "holds_now", render_scan_json(&s->scan));
	for (int i = 0; i < N_SLOTS; i++)
		if (s->has_slot[i])
			json_object_object_add(slots, i ? "b" : "a", manifest_json(&s->slot[i]));
	if (s->is_ours)
		ours_json(s, d, o);
	json_object_object_add(o, "slots", slots);
	json_add_text(o, "default_entry", s->menu_switch.default_id);
	json_add_text(o, "damage", s->damage);
	return json_print(o, e);
}

/* What a stick of this source would be, short of a target: what is copied, what stays behind, how large it must be. */
static int plan_of(const struct facts *f, struct host *host, struct plan **ret_plan, u64 *ret_smallest, struct err *e)
{
	const struct plan_options o = { 0 };
	struct plan *p;
	int r = plan_begin(f, host, 512, &o, &p, e);

	if (r < 0)
		return r;
	*ret_smallest = plan_smallest(p);
	r = plan_finish(p, host, *ret_smallest, e);
	if (r < 0)
		plan_free(p);
	else
		*ret_plan = p;
	return r;
}

static int show_source(const struct state *s, const struct facts *f, const struct host *host, const struct plan *p,
                       u64 smallest, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };

	if (s->json) {
		struct json_object *o = json_result();

		json_add_text(o, "what", "source");
		json_object_object_add(o, "source", render_facts_json(f));
		json_add_bytes(o, "smallest_stick", smallest);
		json_object_object_add(o, "plan", render_plan_json(p, host, NULL));
		return json_print(o, e);
	}
	render_facts(f, &text);
	buf_adds(&text, "Needs    a stick of ");
	buf_add_size(&text, smallest);
	buf_adds(&text, " at least; on one as small:\n");
	render_plan(p, host, NULL, &text);
	fputs(text.s, stdout);
	return finish_stdout(e);
}

static int inspect_source(const struct state *s, const char *path, struct err *e)
{
	struct facts facts;
	struct host host = { 0 };
	struct plan *plan = NULL;
	u64 smallest = 0;
	int r = facts_read(path, &s->facts, &facts, e);

	if (r < 0)
		return r;
	r = host_load(false, facts.efi.why_not != NULL, &host, e);
	if (r == 0)
		r = plan_of(&facts, &host, &plan, &smallest, e);
	if (r == 0)
		r = show_source(s, &facts, &host, plan, smallest, e);
	plan_free(plan);
	host_free(&host);
	facts_free(&facts);
	return r;
}

/* A stick of ours is shown as one; one that somebody else made is a source, if there is a live system on it. */
static int inspect_stick(const struct state *st, struct device *d, struct err *e)
{
	AUTO_ERR struct err ignored = { 0 };
	struct stick s;
	int r = stick_read(d, &s, e);

	if (r < 0)
		return r;
	if (s.is_ours || s.damage || inspect_source(st, d->name, &ignored) < 0)
		r = st->json ? show_stick_json(&s, d, e) : show_stick_text(&s, d, e);
	stick_free(&s);
	return r;
}

/* A partition table and no ISO 9660 volume: the image of a stick, not a source. */
static bool is_stick(const struct scan *s)
{
	for (size_t i = 0; i < s->n_parts; i++)
		if (strcmp(s->part[i].fs, "iso9660") == 0 || strcmp(s->part[i].fs, "udf") == 0)
			return false;
	return *s->table != '\0';
}

static int inspect(const struct state *s, const char *path, struct err *e)
{
	AUTO_DEVICE struct device *d = NULL;
	struct scan scan = { 0 };
	struct stat st = { 0 };
	int r;

	if (stat(path, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) || st.st_size == 0)
		if (!S_ISBLK(st.st_mode))
			return inspect_source(s, path, e);
	r = device_open(path, false, &d, e);
	if (r == 0)
		r = scan_device(d, &scan, e);
	if (r == 0 && (d->is_block || is_stick(&scan)))
		r = inspect_stick(s, d, e);
	else if (r == 0)
		r = inspect_source(s, path, e);
	scan_free(&scan);
	return r;
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	const struct state *s = state;
	const struct least_power_request limits = { .plan = { .source = argv[0], .runs_programs = true },
		                                    .verbose = s->verbose };
	struct least_power power = { 0 };
	int r = least_power_begin(&limits, &power, e);

	(void)argc;
	if (r == 0)
		r = inspect(s, argv[0], e);
	least_power_end(&power);
	return r;
}

const struct verb verb_inspect = {
	.name = "inspect",
	.args = "SOURCE|TARGET",
	.help = "what a source is and what would be made of it, or what is on a stick",
	.min_args = 1,
	.max_args = 1,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
