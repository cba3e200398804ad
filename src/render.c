/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/render.h"

#include <errno.h>
#include <stdio.h>

#include "src/verb.h"

struct json_object *json_result(void)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "format", json_object_new_int(1));
	return o;
}

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	AUTO_FREE char *safe = escaped(text ? text : "");

	json_object_object_add(o, key, json_object_new_string(safe));
}

void json_add_bytes(struct json_object *o, const char *key, u64 bytes)
{
	json_object_object_add(o, key, json_object_new_uint64(bytes));
}

void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

int json_print(struct json_object *o, struct err *e)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return finish_stdout(e);
}

static const char *role_name(enum part_role role)
{
	static const char *const name[] = { [PART_ESP] = "ESP", [PART_BOOT] = "BOOT", [PART_DATA] = "DATA" };

	return name[role];
}

static bool part_is_fat(const struct plan *p, enum part_role role)
{
	return role == PART_ESP || (role == PART_BOOT && !p->boot_is_ext4);
}

static const char *part_label(const struct plan *p, enum part_role role)
{
	return role == PART_ESP ? "ESP" : role == PART_BOOT ? p->boot_label : p->data_label;
}

/* "ABCD-1234" or 36 characters. */
static void part_uuid(const struct plan *p, enum part_role role, struct buf *out)
{
	if (role == PART_ESP)
		buf_addf(out, "%04X-%04X", p->esp_serial >> 16, p->esp_serial & 0xffff);
	else
		buf_adds(out, role == PART_BOOT ? p->medium.boot_uuid : p->medium.data_uuid);
}

static void layout_text(const struct plan *p, struct buf *out)
{
	const struct layout *l = &p->layout;

	buf_addf(out, "Stick    %s, ", l->table == TABLE_GPT ? "GPT" : "MBR");
	buf_add_size(out, l->device_size);
	buf_addf(out, ", room for %s\n", l->slots == 2 ? "two systems" : "one system");
	for (size_t i = 0; i < l->n_parts; i++) {
		const struct part *part = &l->part[i];

		buf_addf(out, "  p%zu %s  %-5s at %llu MiB, ", i + 1, role_name(part->role),
		         part_is_fat(p, part->role) ? "FAT32" : "ext4", (unsigned long long)(part->start / MIB));
		buf_add_size(out, part->size);
		buf_addf(out, ", label %s, UUID ", part_label(p, part->role));
		part_uuid(p, part->role, out);
		buf_adds(out, "\n");
	}
}

static const char *machine_name(enum efi_machine m)
{
	static const char *const name[] = {
		[EFI_MACHINE_OTHER] = "unknown", [EFI_X64] = "x64", [EFI_IA32] = "ia32", [EFI_AA64] = "aa64"
	};

	return name[m];
}

static const char *from_name(enum efi_from from)
{
	static const char *const name[] = { [EFI_NOWHERE] = "nowhere",
		                            [EFI_FROM_TREE] = "the source",
		                            [EFI_FROM_IMAGE] = "the source's EFI image",
		                            [EFI_FROM_HOST] = "this host" };

	return name[from];
}

static const char *verdict_name(enum secure_boot_verdict v)
{
	static const char *const name[] = { [SECURE_BOOT_YES] = "yes",
		                            [SECURE_BOOT_PARTLY] = "partly",
		                            [SECURE_BOOT_NO] = "no",
		                            [SECURE_BOOT_UNKNOWN] = "unknown" };

	return name[v];
}

static void uefi_text(const struct plan *p, const struct host *host, struct buf *out)
{
	if (!p->efi) {
		buf_addf(out, "UEFI     no: ");
		buf_add_escaped(out, host->why_no_efi ? host->why_no_efi : "there is no loader");
		buf_adds(out, "\n");
		return;
	}
	buf_adds(out, "UEFI     yes (");
	for (size_t i = 0; i < p->efi->n_loaders; i++) {
		const struct efi_loader *l = &p->efi->loader[i];

		buf_addf(out, "%s%s", i ? ", " : "", machine_name(l->machine));
	}
	buf_addf(out, "), GRUB of %s", from_name(p->efi->from));
	if (p->efi->from == EFI_FROM_HOST) {
		buf_adds(out, ", because the source's own loader cannot be used: ");
		buf_add_escaped(out, p->facts->efi.why_not);
	}
	buf_adds(out, "\n");
	buf_addf(out, "Secure Boot  %s", verdict_name(p->secure_boot));
	if (p->secure_boot_why.len) {
		buf_adds(out, ": ");
		buf_add_escaped(out, p->secure_boot_why.s);
	}
	buf_adds(out, "\n");
}

void render_firmware(const struct plan *p, const struct host *host, struct buf *out)
{
	if (p->bios)
		buf_addf(out, "BIOS     yes, %s\n", p->boot_is_ext4 ? "EXTLINUX" : "SYSLINUX");
	else
		buf_addf(out, "BIOS     no: the drive has sectors of %u bytes\n", p->layout.sector_size);
	uefi_text(p, host, out);
}

void render_menu(const struct menu *m, struct buf *out)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct menu_entry *entry = &m->entry[i];

		buf_addf(out, "  %c ", entry->is_default ? '*' : ' ');
		if (entry->submenu) {
			buf_add_escaped(out, entry->submenu);
			buf_adds(out, " > ");
		}
		buf_add_escaped(out, entry->title);
		buf_adds(out, "\n      ");
		buf_add_escaped(out, entry->kernel);
		for (size_t k = 0; k < entry->n_initrds; k++) {
			buf_adds(out, k ? "," : "  initrd ");
			buf_add_escaped(out, entry->initrds[k]);
		}
		buf_adds(out, "\n      ");
		buf_add_escaped(out, entry->args);
		buf_adds(out, "\n");
	}
}

static void files_text(const struct plan *p, struct buf *out)
{
	buf_adds(out, "Copied   ");
	buf_add_size(out, p->efi_bytes + p->copy_bytes);
	if (p->same_bytes) {
		buf_adds(out, ", ");
		buf_add_size(out, p->same_bytes);
		buf_adds(out, " of it only as second names of what is written");
	}
	buf_adds(out, "\n");
	for (size_t i = 0; i < p->n_efi_copy; i++) {
		const struct plan_efi_copy *c = &p->efi_copy[i];

		buf_addf(out, "  %14llu  ", (unsigned long long)(c->node ? c->node->size : c->efi->size));
		buf_add_escaped(out, c->path);
		buf_adds(out, "\n");
	}
	for (size_t i = 0; i < p->n_copy; i++) {
		AUTO_FREE char *path = plan_copy_path(p, &p->copy[i]);

		if (p->copy[i].node->type == NODE_DIR)
			continue;
		buf_addf(out, "  %14llu  ", (unsigned long long)p->copy[i].node->size);
		buf_add_escaped(out, path);
		if (p->copy[i].same_as) {
			AUTO_FREE char *first = plan_copy_path(p, &p->copy[p->copy[i].same_as - 1]);

			buf_adds(out, ": the same file as ");
			buf_add_escaped(out, first);
		}
		buf_adds(out, "\n");
	}
	buf_adds(out, "Left out ");
	buf_add_size(out, p->leave_bytes);
	buf_adds(out, "\n");
	for (size_t i = 0; i < p->n_leave; i++) {
		const struct plan_leave *l = &p->leave[i];
		AUTO_FREE char *path = node_path(l->node);

		buf_addf(out, "  %14llu  ", (unsigned long long)l->bytes);
		buf_add_escaped(out, path);
		if (l->node->type == NODE_DIR)
			buf_addf(out, "/ (%llu files)", (unsigned long long)l->files);
		buf_addf(out, ": %s\n", l->why);
	}
}

void render_warnings(const char *lines, struct buf *out)
{
	const char *line = lines;

	while (line && *line) {
		size_t len = strcspn(line, "\n");
		AUTO_FREE char *one = xstrndup(line, len);

		buf_adds(out, "Warning  ");
		buf_add_escaped(out, one);
		buf_adds(out, "\n");
		line += len + (line[len] == '\n');
	}
}

void render_plan(const struct plan *p, const struct host *host, const struct build *b, struct buf *out)
{
	layout_text(p, out);
	render_firmware(p, host, out);
	buf_addf(out, "Menu     comes up after %u s\n", p->menu.timeout_ds / 10);
	render_menu(&p->menu, out);
	render_warnings(p->warnings.s, out);
	files_text(p, out);
	for (const char *const *l = p->facts->family->limits; l && *l; l++)
		buf_addf(out, "Note     %s\n", *l);
	if (b) {
		u64 all = writelist_bytes(b->pass) + writelist_bytes(b->commit) + writelist_bytes(b->seal);

		buf_addf(out, "To write %llu bytes (", (unsigned long long)all);
		buf_add_size(out, all);
		buf_adds(out, ")\n");
	}
}

struct json_object *render_menu_json(const struct menu *m)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->n; i++) {
		const struct menu_entry *entry = &m->entry[i];
		struct json_object *o = json_object_new_object(), *initrds = json_object_new_array();

		json_add_text(o, "id", entry->id);
		json_add_text(o, "title", entry->title);
		json_add_text(o, "submenu", entry->submenu);
		json_add_text(o, "kernel", entry->kernel);
		for (size_t k = 0; k < entry->n_initrds; k++) {
			AUTO_FREE char *path = escaped(entry->initrds[k]);

			json_object_array_add(initrds, json_object_new_string(path));
		}
		json_object_object_add(o, "initrds", initrds);
		json_add_text(o, "args", entry->args);
		json_add_bool(o, "default", entry->is_default);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *layout_json(const struct plan *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->layout.n_parts; i++) {
		const struct part *part = &p->layout.part[i];
		struct json_object *o = json_object_new_object();
		AUTO_BUF struct buf uuid = { 0 };

		part_uuid(p, part->role, &uuid);
		json_add_text(o, "role", role_name(part->role));
		json_add_text(o, "fs", part_is_fat(p, part->role) ? "fat32" : "ext4");
		json_add_bytes(o, "start", part->start);
		json_add_bytes(o, "size", part->size);
		json_add_text(o, "label", part_label(p, part->role));
		json_add_text(o, "uuid", uuid.s);
		json_object_array_add(list, o);
	}
	return list;
}

static void add_copied(struct json_object *list, const char *path, u64 size, const char *same_as)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "path", path);
	json_add_bytes(o, "size", size);
	if (same_as)
		json_add_text(o, "same_as", same_as);
	json_object_array_add(list, o);
}

static struct json_object *copied_json(const struct plan *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->n_efi_copy; i++) {
		const struct plan_efi_copy *c = &p->efi_copy[i];

		add_copied(list, c->path, c->node ? c->node->size : c->efi->size, NULL);
	}
	for (size_t i = 0; i < p->n_copy; i++) {
		const struct plan_copy *c = &p->copy[i];
		AUTO_FREE char *path = plan_copy_path(p, c);
		AUTO_FREE char *first = c->same_as ? plan_copy_path(p, &p->copy[c->same_as - 1]) : NULL;

		if (c->node->type != NODE_DIR)
			add_copied(list, path, c->node->size, first);
	}
	return list;
}

static struct json_object *firmware_json(const struct plan *p, const struct host *host)
{
	struct json_object *o = json_object_new_object(), *machines = json_object_new_array();

	json_add_bool(o, "bios", p->bios);
	json_add_bool(o, "uefi", p->efi != NULL);
	json_add_text(o, "uefi_loader_from", p->efi ? from_name(p->efi->from) : "");
	json_add_text(o, "uefi_why_not", p->efi ? "" : host->why_no_efi);
	for (size_t i = 0; p->efi && i < p->efi->n_loaders; i++)
		json_object_array_add(machines, json_object_new_string(machine_name(p->efi->loader[i].machine)));
	json_object_object_add(o, "uefi_machines", machines);
	json_add_text(o, "secure_boot", verdict_name(p->secure_boot));
	json_add_text(o, "secure_boot_why", p->secure_boot_why.s);
	return o;
}

static struct json_object *left_json(const struct plan *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->n_leave; i++) {
		struct json_object *o = json_object_new_object();
		AUTO_FREE char *path = node_path(p->leave[i].node);

		json_add_text(o, "path", path);
		json_add_bytes(o, "size", p->leave[i].bytes);
		json_add_bytes(o, "files", p->leave[i].files);
		json_add_text(o, "why", p->leave[i].why);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *render_plan_json(const struct plan *p, const struct host *host, const struct build *b)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "table", p->layout.table == TABLE_GPT ? "gpt" : "mbr");
	json_add_bytes(o, "size", p->layout.device_size);
	json_object_object_add(o, "slots", json_object_new_int((int)p->layout.slots));
	json_object_object_add(o, "partitions", layout_json(p));
	json_object_object_add(o, "firmware", firmware_json(p, host));
	json_object_object_add(o, "menu", render_menu_json(&p->menu));
	json_add_text(o, "warnings", p->warnings.s);
	json_add_bytes(o, "copied_bytes", p->efi_bytes + p->copy_bytes);
	json_object_object_add(o, "copied", copied_json(p));
	json_add_bytes(o, "same_bytes", p->same_bytes);
	json_add_bytes(o, "left_out_bytes", p->leave_bytes);
	json_object_object_add(o, "left_out", left_json(p));
	if (b)
		json_add_bytes(o, "bytes_to_write",
		               writelist_bytes(b->pass) + writelist_bytes(b->commit) + writelist_bytes(b->seal));
	return o;
}

void render_scan(const struct scan *s, struct buf *out)
{
	if (!*s->table && !s->n_parts)
		buf_adds(out, "  nothing that is known: no partition table, no file system\n");
	if (*s->table) {
		buf_adds(out, "  partition table ");
		buf_add_escaped(out, s->table);
		buf_adds(out, "\n");
	}
	for (size_t i = 0; i < s->n_parts; i++) {
		const struct scan_part *part = &s->part[i];

		if (part->number)
			buf_addf(out, "  p%-3u ", part->number);
		else
			buf_adds(out, "  all  ");
		buf_add_size(out, part->size);
		buf_adds(out, "  ");
		buf_add_escaped(out, *part->fs ? part->fs : "unknown content");
		if (*part->label) {
			buf_adds(out, "  \"");
			buf_add_escaped(out, part->label);
			buf_adds(out, "\"");
		}
		buf_adds(out, part->active ? "  (active)\n" : "\n");
	}
}

struct json_object *render_scan_json(const struct scan *s)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_add_text(o, "table", s->table);
	json_add_text(o, "id", s->id);
	for (size_t i = 0; i < s->n_parts; i++) {
		const struct scan_part *part = &s->part[i];
		struct json_object *p = json_object_new_object();

		json_object_object_add(p, "number", json_object_new_int((int)part->number));
		json_add_bytes(p, "start", part->start);
		json_add_bytes(p, "size", part->size);
		json_add_text(p, "type", part->type);
		json_add_text(p, "name", part->name);
		json_add_text(p, "uuid", part->uuid);
		json_add_bool(p, "active", part->active);
		json_add_text(p, "fs", part->fs);
		json_add_text(p, "label", part->label);
		json_add_text(p, "fs_uuid", part->fs_uuid);
		json_object_array_add(list, p);
	}
	json_object_object_add(o, "partitions", list);
	return o;
}

static void add_warnings(char *const *text, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, "Warning  ");
		buf_add_escaped(out, text[i]);
		buf_adds(out, "\n");
	}
}

void render_facts(const struct facts *f, struct buf *out)
{
	buf_adds(out, "Source   ");
	buf_add_escaped(out, f->source->path);
	buf_addf(out, " (%s", f->source->format);
	if (f->source->size) {
		buf_adds(out, ", ");
		buf_add_size(out, f->source->size);
	}
	buf_adds(out, ")\nLabel    ");
	buf_add_escaped(out, f->source->volume_id);
	if (*f->source->created) {
		buf_adds(out, ", made ");
		buf_add_escaped(out, f->source->created);
	}
	buf_addf(out, "\nFamily   %s%s", f->family->title, f->family_forced ? ", because --family says so" : "");
	if (f->version) {
		buf_adds(out, "\nStarts   by ");
		buf_add_escaped(out, f->version);
	}
	buf_adds(out, "\nMenu     ");
	buf_add_escaped(out, f->menu_path ? f->menu_path : "none; these are the kernels that are in it:");
	buf_adds(out, "\n");
	render_menu(&f->menu, out);
	add_warnings(f->source->warnings, f->source->n_warnings, out);
	add_warnings(f->warnings, f->n_warnings, out);
}

static void warnings_json(char *const *text, size_t n, struct json_object *list)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *safe = escaped(text[i]);

		json_object_array_add(list, json_object_new_string(safe));
	}
}

struct json_object *render_facts_json(const struct facts *f)
{
	struct json_object *o = json_object_new_object(), *warnings = json_object_new_array();

	json_add_text(o, "path", f->source->path);
	json_add_text(o, "kind", f->source->format);
	json_add_bytes(o, "size", f->source->size);
	json_add_text(o, "label", f->source->volume_id);
	json_add_text(o, "created", f->source->created);
	json_add_text(o, "family", f->family->name);
	json_add_bool(o, "family_forced", f->family_forced);
	json_add_text(o, "version", f->version);
	json_add_text(o, "menu_path", f->menu_path);
	json_object_object_add(o, "menu", render_menu_json(&f->menu));
	warnings_json(f->source->warnings, f->source->n_warnings, warnings);
	warnings_json(f->warnings, f->n_warnings, warnings);
	json_object_object_add(o, "warnings", warnings);
	return o;
}
