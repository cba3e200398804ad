/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/family.h"

/* What is a special case of another stands before it. */
const struct family *const family_table[] = {
	&family_tails,
	&family_windows,
	&family_live_boot,
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
