/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/family.h"

/* With equal scores the first row wins: what is a special case of another stands before it. */
const struct family *const family_table[] = {
	&family_anaconda,    &family_debian_installer, &family_tails,     &family_windows,   &family_easyos,
	&family_ubuntu_core, &family_minios,           &family_live_boot, &family_casper,    &family_archiso,
	&family_miso,        &family_miso_plain,       &family_artix,     &family_kaos,      &family_kiwi,
	&family_kiwi_plain,  &family_mageia,           &family_dmsquash,  &family_porteus,   &family_linux_live,
	&family_liveslak,    &family_liveslak_old,     &family_antix,     &family_puppy,     &family_tinycore,
	&family_alpine,      &family_alpine_plain,     &family_nixos,     &family_genkernel, &family_genkernel_plain,
	&family_knoppix,     &family_knoppix_plain,    &family_own,
};

const size_t family_table_size = ARRAY_SIZE(family_table);

const struct family *family_detect(const struct family_facts *f)
{
	const struct family *best = NULL;
	int top = 0;

	for (size_t i = 0; i < family_table_size; i++) {
		int score = family_table[i]->score(f);

		if (score > top) {
			top = score;
			best = family_table[i];
		}
	}
	return best;
}

const struct family *family_by_name(const char *name)
{
	for (size_t i = 0; i < family_table_size; i++)
		if (strcmp(family_table[i]->name, name) == 0)
			return family_table[i];
	return NULL;
}

bool family_initrd_has(const struct family_facts *f, const char *path)
{
	for (size_t i = 0; i < f->n_initrds; i++)
		if (initrd_find(f->initrds[i], path))
			return true;
	return false;
}

const char *family_initrd_text(const struct family_facts *f, const char *path)
{
	const char *text = NULL;

	/* The kernel unpacks them in their order, so the last one has the last word. */
	for (size_t i = 0; i < f->n_initrds; i++) {
		const struct initrd_entry *e = initrd_find(f->initrds[i], path);

		text = e && e->text ? e->text : text;
	}
	return text;
}

const char *family_initrd_match(const struct family_facts *f, const char *glob)
{
	for (size_t i = 0; i < f->n_initrds; i++) {
		const struct initrd_entry *e = initrd_match(f->initrds[i], glob, NULL);

		if (e)
			return e->path;
	}
	return NULL;
}

bool family_any_has(const struct family_facts *f, const char *token)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (args_has(f->cmdlines[i], token))
			return true;
	return false;
}
