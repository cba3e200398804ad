/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/view.h"

#include <ctype.h>
#include <errno.h>
#include <libfdisk/libfdisk.h>

/* Hostile tables shall not tell more. */
#define PARTS_MAX 256

#define REMARKS_MAX 4096

#define GPT_LEGACY_BOOT (1ULL << 2) /* attribute bit 2, UEFI 2.10 table 5.8 */

#define GPT_ESP "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

/* ---- the view */

struct view_part *view_add(struct view *v)
{
	struct view_part *p = ARRAY_ADD(v->part, v->n, v->cap);

	p->type = xstrdup("");
	p->name = xstrdup("");
	p->uuid = xstrdup("");
	return p;
}

void view_remark(struct view *v, const char *text)
{
	AUTO_BUF struct buf line = { 0 };
	size_t len = strlen(text);

	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++)
		buf_add(&line, isspace((unsigned char)text[i]) ? " " : text + i, 1);
	if (line.len == 0 || v->remarks.len > REMARKS_MAX || (v->remarks.len && strstr(v->remarks.s, line.s)))
		return;
	buf_addf(&v->remarks, "%s%s", v->remarks.len ? "; " : "", line.s);
}

void view_free(struct view *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->part[i].type);
		free(v->part[i].name);
		free(v->part[i].uuid);
	}
	free(v->part);
	free(v->kind);
	free(v->id);
	buf_free(&v->remarks);
	*v = (struct view){ 0 };
}

const struct view_part *view_find(const struct view *v, unsigned number)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->part[i].number == number)
			return &v->part[i];
	return NULL;
}

static int differs(const struct view_part *a, const char *a_name, const struct view_part *b, const char *b_name,
                   struct err *e)
{
	if (a->start != b->start || a->size != b->size)
		return fail(e, -EUCLEAN,
		            "partition %u: begins at byte %llu and has %llu bytes for %s, %llu and %llu for %s",
		            a->number, (unsigned long long)a->start, (unsigned long long)a->size, a_name,
		            (unsigned long long)b->start, (unsigned long long)b->size, b_name);
	if (a->active != b->active)
		return fail(e, -EUCLEAN, "partition %u: is to be started by a BIOS for %s, not for %s", a->number,
		            a->active ? a_name : b_name, a->active ? b_name : a_name);
	if (a->esp != b->esp || a->lba != b->lba)
		return fail(e, -EUCLEAN, "partition %u: has another type for %s than for %s", a->number, a_name,
		            b_name);
	if (strcmp(a->name, b->name) != 0)
		return fail(e, -EUCLEAN, "partition %u: is called \"%s\" by %s, \"%s\" by %s", a->number, a->name,
		            a_name, b->name, b_name);
	return 0;
}

int view_compare(const struct view *a, const char *a_name, const struct view *b, const char *b_name, struct err *e)
{
	if (strcmp(a->kind, b->kind) != 0)
		return fail(e, -EUCLEAN, "%s reads a table of the kind \"%s\", %s one of the kind \"%s\"", a_name,
		            *a->kind ? a->kind : "none", b_name, *b->kind ? b->kind : "none");
	if (a->n != b->n)
		return fail(e, -EUCLEAN, "%s reads %zu partitions, %s %zu", a_name, a->n, b_name, b->n);
	for (size_t i = 0; i < a->n; i++) {
		const struct view_part *other = view_find(b, a->part[i].number);
		int r;

		if (!other)
			return fail(e, -EUCLEAN, "partition %u: is there for %s, not for %s", a->part[i].number, a_name,
			            b_name);
		r = differs(&a->part[i], a_name, other, b_name, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- libfdisk */

/* It wants to talk to a user: what it warns of is kept, its questions have no answer. */
static int ask(struct fdisk_context *cxt, struct fdisk_ask *a, void *data)
{
	(void)cxt;
	switch (fdisk_ask_get_type(a)) {
	case FDISK_ASKTYPE_WARN:
	case FDISK_ASKTYPE_WARNX:
		/* Not the line that only counts. */
		if (!strstr(fdisk_ask_print_get_mesg(a), " detected."))
			view_remark(data, fdisk_ask_print_get_mesg(a));
		return 0;
	case FDISK_ASKTYPE_INFO:
		return 0;
	default:
		return -EINVAL;
	}
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text ? text : "");
}

static void set_lower(char **to, const char *text)
{
	set_text(to, text);
	for (char *c = *to; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

static void set_type(struct view_part *to, struct fdisk_partition *p, bool gpt)
{
	struct fdisk_parttype *type = fdisk_partition_get_type(p);
	unsigned code = type ? fdisk_parttype_get_code(type) : 0;
	char text[16];

	if (gpt) {
		set_lower(&to->type, type ? fdisk_parttype_get_string(type) : NULL);
		to->esp = strcmp(to->type, GPT_ESP) == 0;
		return;
	}
	snprintf(text, sizeof(text), "0x%02x", code);
	set_text(&to->type, text);
	to->esp = code == 0xef;
	to->lba = code == 0x0c || code == 0x0e || code == 0x0f;
}

static void add_part(struct fdisk_context *cxt, struct fdisk_partition *p, bool gpt, struct view *v)
{
	const u64 sector = fdisk_get_sector_size(cxt);
	struct view_part *to;
	u64 attributes = 0;

	if (!fdisk_partition_has_partno(p) || !fdisk_partition_has_start(p) || !fdisk_partition_has_size(p) ||
	    v->n == PARTS_MAX)
		return;
	to = view_add(v);
	to->number = (unsigned)fdisk_partition_get_partno(p) + 1;
	to->start = fdisk_partition_get_start(p) * sector;
	to->size = fdisk_partition_get_size(p) * sector;
	set_type(to, p, gpt);
	if (!gpt) {
		to->active = fdisk_partition_is_bootable(p) == 1;
		return;
	}
	set_text(&to->name, fdisk_partition_get_name(p));
	set_lower(&to->uuid, fdisk_partition_get_uuid(p));
	if (fdisk_gpt_get_partition_attrs(cxt, to->number - 1, &attributes) == 0)
		to->active = (attributes & GPT_LEGACY_BOOT) != 0;
}

static int read_parts(struct fdisk_context *cxt, struct view *v)
{
	struct fdisk_table *table = NULL;
	struct fdisk_iter *iter = fdisk_new_iter(FDISK_ITER_FORWARD);
	struct fdisk_partition *p = NULL;
	int r = iter ? fdisk_get_partitions(cxt, &table) : -ENOMEM;

	while (r == 0 && fdisk_table_next_partition(table, iter, &p) == 0)
		add_part(cxt, p, strcmp(v->kind, "gpt") == 0, v);
	fdisk_unref_table(table);
	fdisk_free_iter(iter);
	return r;
}

static int read_assigned(struct fdisk_context *cxt, struct view *v)
{
	struct fdisk_label *label = fdisk_get_label(cxt, NULL);
	AUTO_FREE char *id = NULL;
	int r;

	set_text(&v->kind, fdisk_has_label(cxt) && label ? fdisk_label_get_name(label) : NULL);
	if (!*v->kind)
		return 0;
	if (fdisk_get_disklabel_id(cxt, &id) == 0)
		set_lower(&v->id, id);
	r = read_parts(cxt, v);
	/* Its findings come as warnings. */
	if (r == 0 && fdisk_verify_disklabel(cxt) < 0)
		view_remark(v, "libfdisk cannot check the table");
	return r;
}

int view_read(struct device *d, struct view *ret, struct err *e)
{
	struct view v = { .kind = xstrdup(""), .id = xstrdup("") };
	struct fdisk_context *cxt = d->fd < 0 ? NULL : fdisk_new_context();
	int r = -ENOMEM;

	if (d->fd < 0)
		r = -ENOTSUP;
	if (cxt) {
		fdisk_set_ask(cxt, ask, &v);
		r = fdisk_save_user_sector_size(cxt, d->sector_size, d->sector_size);
		if (r == 0)
			r = fdisk_assign_device_by_fd(cxt, d->fd, d->name, 1);
		if (r == 0) {
			r = read_assigned(cxt, &v);
			fdisk_deassign_device(cxt, 1);
		}
		fdisk_unref_context(cxt);
	}
	if (r < 0) {
		view_free(&v);
		return fail(e, r, "%s: libfdisk cannot read its partition table: %s", d->name, strerror(-r));
	}
	*ret = v;
	return 0;
}
