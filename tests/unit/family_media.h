/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Media for the tests of families: trees made by shell commands, initrds made by cpio, rewritten lines. */
#ifndef LIVESTICK_TESTS_FAMILY_MEDIA_H
#define LIVESTICK_TESTS_FAMILY_MEDIA_H

#include "persist/family.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define BOOT_UUID "1234-ABCD"
#define DATA_UUID "0f5b1c9e-2d4b-4c6e-9c39-0a8f2f7d6b11"
#define BY_UUID   "/dev/disk/by-uuid/"

#define MAX_ENTRIES 4

struct medium_row {
	const char *tree;   /* shell commands, run in the empty tree */
	const char *initrd; /* the same for the initrd's tree; NULL: it is not known */
	const char *args[MAX_ENTRIES];
};

struct made_medium {
	struct source *source;
	struct initrd *initrd;
	char *initrd_bytes;
	struct family_facts facts;
	const struct initrd *initrds[1];
};

static inline void run_in(const char *dir, const char *commands)
{
	if (sandbox_run("rm -rf '%s' && mkdir '%s' && cd '%s' && { %s; }", dir, dir, dir, commands) == 0)
		return;
	printf("# %s: %s\n", commands, sandbox_said());
	exit(99);
}

static inline void make_initrd(struct made_medium *m, const char *commands, const char *const *texts)
{
	AUTO_FREE char *dir = sandbox_path("initrd"), *image = sandbox_path("out.img");
	AUTO_SOURCE struct source *s = NULL;
	AUTO_FREE char *out = sandbox_path("out");
	AUTO_ERR struct err e = { 0 };
	size_t len = 0;
	int r;

	run_in(dir, commands);
	run_in(out, "true");
	r = sandbox_run("cd '%s' && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -n >'%s/i'",
	                dir, out);
	r = r == 0 ? source_open(out, &s, &e) : -1;
	r = r == 0 ? node_load(source_find(s, "/i"), 64 * MIB, &m->initrd_bytes, &len, &e) : r;
	r = r == 0 ? initrd_open(input_memory(m->initrd_bytes), len, "i", texts, &m->initrd, &e) : r;
	if (r < 0) {
		printf("# initrd: %s: %s\n", commands, e.text ? e.text : sandbox_said());
		exit(99);
	}
	m->initrds[0] = m->initrd;
	m->facts.initrds = m->initrds;
	m->facts.n_initrds = 1;
}

static inline void make_medium(struct made_medium *m, const struct medium_row *row, const char *const *texts)
{
	AUTO_FREE char *dir = sandbox_path("tree");
	AUTO_ERR struct err e = { 0 };

	*m = (struct made_medium){ 0 };
	run_in(dir, row->tree);
	if (source_open(dir, &m->source, &e) < 0) {
		printf("# %s: %s\n", row->tree, e.text);
		exit(99);
	}
	m->facts.source = m->source;
	m->facts.cmdlines = row->args;
	while (m->facts.n_cmdlines < MAX_ENTRIES && row->args[m->facts.n_cmdlines])
		m->facts.n_cmdlines++;
	if (row->initrd)
		make_initrd(m, row->initrd, texts);
}

static inline void free_medium(struct made_medium *m)
{
	source_free(m->source);
	initrd_free(m->initrd);
	free(m->initrd_bytes);
}

#define AUTO_MEDIUM CLEANUP(free_medium)

/* ---- lines */

enum way { SAVING, NOT_SAVING, SLOT_B, SLOT_B_NOT_SAVING };

struct line_row {
	const char *args;
	enum way way;
	const char *want;
};

static inline struct family_medium medium_for(enum way way)
{
	return (struct family_medium){
		.boot_uuid = BOOT_UUID,
		.data_uuid = DATA_UUID,
		.boot_label = "LIVE_BOOT",
		.label = "changes",
		.slot = way == SLOT_B || way == SLOT_B_NOT_SAVING ? "/slot-b" : "",
		.data_room = 4 * GIB,
		.persistent = way == SAVING || way == SLOT_B,
	};
}

/* Each line comes out as wanted, comes out the same when it is rewritten again, and is not too long for Linux. */
static inline void check_lines(const struct family *family, const struct family_facts *f, const struct line_row *row,
                               size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct family_medium m = medium_for(row[i].way);
		AUTO_BUF struct buf once = { 0 }, twice = { 0 };

		family->rewrite(f, row[i].args, &m, &once);
		if (strcmp(once.s, row[i].want) != 0)
			test_fail(__FILE__, __LINE__, "row %zu:\n# got  %s\n# want %s", i, once.s, row[i].want);
		family->rewrite(f, once.s, &m, &twice);
		if (strcmp(once.s, twice.s) != 0)
			test_fail(__FILE__, __LINE__, "row %zu, again:\n# got  %s\n# want %s", i, twice.s, once.s);
		CHECK(once.len < 2047);
	}
}

/* What refuse(), doubt() or version() says contains the words, or it says nothing. Frees what was said. */
static inline void check_says(char *said, const char *words)
{
	if (words ? !said || !strstr(said, words) : said != NULL)
		test_fail(__FILE__, __LINE__, "says \"%s\", not \"%s\"", said ? said : "(nothing)",
		          words ? words : "(nothing)");
	free(said);
}

#endif
