/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The UEFI loaders of the stick, renewed with those of the new system: a step of its own, when the new system starts
 * already, and only where a file has changed. Each file is replaced by one atomic write (update.h), what the firmware
 * starts first comes last: at every moment there is a chain of which each part can start the next.
 *
 * They are left as they are when the new ones are not signed, are another set of files, start Linux by another command,
 * or look for their configuration where the stick has none: then they are no later version of what is there. The BIOS
 * loader comes from the host: job_upgrade_bios.c.
 */
#include <errno.h>
#include <fnmatch.h>

#include "src/fs/fat_update.h"
#include "src/fs/reader.h"
#include "src/job_upgrade_parts.h"

#define ESP_MANIFEST STICK_DIR "/esp.manifest"
#define TEXT_MAX     (4 * MIB)

/* Where the loaders are: BOOT, or the ESP in front of it. */
struct loaders {
	u64 start, size;
	bool is_esp;
	struct manifest read; /* of the ESP */
	const struct manifest *manifest;
};

static int load(const struct upgrade_job *j, u64 start, u64 size, const char *path, char **ret, size_t *ret_len,
                struct err *e)
{
	AUTO_DEVICE struct device *window = device_new_window(j->target.device, "loaders", start, size);
	AUTO_READER struct reader *r = NULL;
	int ret_code = reader_open(window, &r, e);

	return ret_code < 0 ? ret_code : reader_load(r, path, TEXT_MAX, ret, ret_len, e);
}

static int find_loaders(const struct upgrade_job *j, struct loaders *ret, struct err *e)
{
	const struct stick *s = &j->target.stick;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r;

	*ret = (struct loaders){ .start = s->boot_start, .size = s->boot_size, .manifest = &s->manifest };
	if (!s->boot_is_ext4)
		return 0;
	for (size_t i = 0; i < s->scan.n_parts; i++) {
		if (s->scan.part[i].number == 1) {
			ret->start = s->scan.part[i].start;
			ret->size = s->scan.part[i].size;
		}
	}
	ret->is_esp = true;
	ret->manifest = &ret->read;
	r = load(j, ret->start, ret->size, ESP_MANIFEST, &text, &len, e);
	return r < 0 ? r : manifest_parse(text, len, &ret->read, e);
}

static const struct manifest_file *listed(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->n_files; i++)
		if (strcasecmp(m->file[i].path, path) == 0)
			return &m->file[i];
	return NULL;
}

/* Whether every place where the new GRUBs look has our configuration. */
static bool are_configured(const struct efi_set *set, const struct manifest *m)
{
	bool all = true;

	for (size_t i = 0; i < set->n_loaders; i++) {
		const char *program = set->file[set->loader[i].second].path;
		AUTO_FREE char *dir = xstrndup(program, (size_t)(strrchr(program, '/') - program));
		struct efi_paths paths = { 0 };

		grub_config_paths(efi_menu_program(&set->loader[i]), dir, &paths);
		for (size_t k = 0; k < paths.n; k++)
			all = all && listed(m, paths.path[k]);
		efi_paths_free(&paths);
	}
	return all;
}

/* Firmware and shim refuse programs that are not what was signed; what nobody signed is not worth the risk. */
static bool are_signed(const struct efi_set *set)
{
	for (size_t i = 0; i < set->n_loaders; i++) {
		const struct efi_loader *l = &set->loader[i];
		const struct secure_boot_chain chain = {
			.first = &l->first_image,
			.second = l->second == l->file ? NULL : &l->second_image,
		};
		AUTO_BUF struct buf why = { 0 };

		if (secure_boot_judge(&chain, &why) != SECURE_BOOT_YES)
			return false;
	}
	return set->n_loaders > 0;
}

static bool is_later_version(const struct upgrade_job *j, const struct loaders *l, const char *grub_cfg)
{
	const struct efi_set *set = &j->facts.efi;
	AUTO_BUF struct buf command = { 0 };

	if (set->why_not || set->from == EFI_NOWHERE)
		return false;
	for (size_t i = 0; i < l->manifest->n_files; i++)
		if (fnmatch("*.mod", l->manifest->file[i].path, FNM_CASEFOLD) == 0)
			return false;
	for (size_t i = 0; i < set->n_loaders; i++)
		if (!listed(l->manifest, set->file[set->loader[i].file].path) ||
		    !listed(l->manifest, set->file[set->loader[i].second].path))
			return false;
	buf_addf(&command, "set linux=%s\n", efi_linux_command(set));
	return strstr(grub_cfg, command.s) && are_configured(set, l->manifest) && are_signed(set);
}

static bool starts_first(const struct efi_set *set, size_t file)
{
	for (size_t i = 0; i < set->n_loaders; i++)
		if (set->loader[i].file == file)
			return true;
	return false;
}

static int hash_file(const struct efi_file *f, u8 ret_digest[SHA256_SIZE], struct err *e)
{
	AUTO_FREE u8 *data = NULL;
	struct input in = efi_file_input(f);
	int r;

	if (f->size > 64 * MIB)
		return fail(e, -EFBIG, "%s: is too large for a loader", f->path);
	data = xcalloc(1, f->size + 1);
	r = input_read(&in, 0, data, f->size, e);
	if (r == 0)
		sha256_of(data, f->size, ret_digest);
	return r;
}

static int change(struct upgrade_job *j, const struct loaders *l, const char *path, u64 size, struct input in,
                  struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_update wanted = { 0 };
	int r = l->is_esp ? fat_update_open(j->target.device, l->start, l->size, &u, e)
	                  : stick_open_boot(&j->target.stick, j->target.device, &u, e);

	volume_add(&wanted.put, path, size, in, j->plan->time)->replace = true;
	if (r == 0)
		r = upgrade_run_update(j, u, &wanted, NULL, e);
	update_close(TAKE(u));
	volume_files_free(&wanted.put);
	return r;
}

/* The files of one kind, those that the firmware starts or those that they start. */
static int renew(struct upgrade_job *j, const struct loaders *l, bool first, struct manifest_change *change_to,
                 size_t *n, struct err *e)
{
	const struct efi_set *set = &j->facts.efi;
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->n_files; i++) {
		const struct efi_file *f = &set->file[i];
		const struct manifest_file *old = f->is_config ? NULL : listed(l->manifest, f->path);
		struct manifest_change c = { 0 };

		if (!old || starts_first(set, i) != first)
			continue;
		r = hash_file(f, c.digest, e);
		if (r < 0 || (f->size == old->size && memcmp(c.digest, old->hash->digest, SHA256_SIZE) == 0))
			continue;
		c.path = old->path;
		c.size = f->size;
		r = interrupted ? fail(e, -EINTR, "interrupted")
		                : change(j, l, old->path, f->size, efi_file_input(f), e);
		if (r == 0)
			change_to[(*n)++] = c;
	}
	return r;
}

static int write_manifest(struct upgrade_job *j, const struct loaders *l, const struct manifest_change *changes,
                          size_t n, struct err *e)
{
	struct manifest m = { 0 };
	const struct buf *text;
	int r;

	if (!l->is_esp)
		return upgrade_put_stick_manifest(j, changes, n, NULL, e);
	manifest_copy(l->manifest, changes, n, &m);
	text = manifest_text(&m);
	r = change(j, l, ESP_MANIFEST, text->len, input_memory(text->s), e);
	manifest_free(&m);
	return r;
}

int upgrade_renew_loaders(struct upgrade_job *j, struct err *e)
{
	const struct stick *s = &j->target.stick;
	AUTO_FREE struct manifest_change *changes = xcalloc(j->facts.efi.n_files + 1, sizeof(*changes));
	AUTO_FREE char *grub_cfg = NULL;
	struct loaders l = { 0 };
	size_t len;
	int r;

	if (!stick_has_file(s, GRUB_CFG))
		return 0;
	r = load(j, s->boot_start, s->boot_size, GRUB_CFG, &grub_cfg, &len, e);
	if (r == 0)
		r = find_loaders(j, &l, e);
	if (r == 0 && is_later_version(j, &l, grub_cfg)) {
		r = renew(j, &l, false, changes, &j->n_loaders, e);
		if (r == 0)
			r = renew(j, &l, true, changes, &j->n_loaders, e);
		if (r == 0 && j->n_loaders)
			r = write_manifest(j, &l, changes, j->n_loaders, e);
	}
	manifest_free(&l.read);
	return r;
}
