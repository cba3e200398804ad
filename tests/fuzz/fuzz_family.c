/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A medium that somebody made up, as each live family sees it: its tree, menu, arguments and initrd. Input: the first
 * text is /isolinux/isolinux.cfg; lines of 0x01 PATH begin further files; that of /CMDLINE are arguments, one entry's a
 * line, that of /INITRD is an initrd. For libFuzzer; with -DFUZZ_MAIN a program that does the same with each file.
 */
#include "src/facts_parts.h"
#include "tests/fuzz/fuzz_tree.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define CMDLINES_MAX 8

struct medium {
	struct tree tree;
	char *cmdline[CMDLINES_MAX];
	size_t n_cmdlines;
	const u8 *initrd;
	size_t initrd_len;
};

static const struct family_medium persistent = {
	.boot_uuid = "ABCD-1234",
	.data_uuid = "01234567-89ab-cdef-0123-456789abcdef",
	.boot_label = "BOOT",
	.label = "persist-01234567",
	.slot = "/slot-b",
	.data_room = GIB,
	.persistent = true,
};

static int read_image(struct source *s, u64 off, void *buf, size_t len, struct err *e)
{
	(void)s, (void)off, (void)e;
	memset(buf, 0, len);
	return 0;
}

static const struct source_ops ops = { .read = tree_read, .read_image = read_image, .free = tree_free };

/* An entry's arguments are one line in any menu. */
static void take_cmdlines(struct medium *m, const char *text, size_t size)
{
	for (const char *end = text + size; text < end && m->n_cmdlines < CMDLINES_MAX;) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		if (!memchr(text, '\0', (size_t)(stop - text)))
			m->cmdline[m->n_cmdlines++] = xstrndup(text, (size_t)(stop - text));
		text = stop + 1;
	}
}

static bool take_special(struct tree *t, const char *path, size_t len, const u8 *content, size_t size)
{
	struct medium *m = (struct medium *)t;

	if (len == 8 && memcmp(path, "/CMDLINE", len) == 0) {
		take_cmdlines(m, (const char *)content, size);
		return true;
	}
	if (len != 7 || memcmp(path, "/INITRD", len) != 0)
		return false;
	m->initrd = content;
	m->initrd_len = size;
	return true;
}

static const char **all_texts(void)
{
	static const char **globs;
	static size_t n, cap;

	if (globs)
		return globs;
	for (size_t i = 0; i < family_table_size; i++)
		for (const char *const *t = family_table[i]->texts; t && *t; t++)
			*ARRAY_ADD(globs, n, cap) = *t;
	*ARRAY_ADD(globs, n, cap) = NULL;
	return globs;
}

static void check_sentence(char *text)
{
	MUST(!text || *text);
	free(text);
}

static void check_rewritten(const struct family *f, const struct family_facts *ff, const char *args)
{
	AUTO_BUF struct buf once = { 0 }, twice = { 0 };

	f->rewrite(ff, args, &persistent, &once);
	MUST(!once.s || !strchr(once.s, '\n'));
	f->rewrite(ff, once.s ? once.s : "", &persistent, &twice);
	if (f->is_no_default)
		(void)f->is_no_default(args);
	if (f->no_use)
		MUST(!f->no_use(args) || *f->no_use(args));
}

static void ask(const struct family *f, const struct family_facts *ff)
{
	struct volume_files data = { 0 };
	struct newc over = { 0 };
	AUTO_BUF struct buf args = { 0 };
	int score = f->score(ff);

	MUST(score >= 0 && score <= 100);
	check_sentence(f->refuse ? f->refuse(ff) : NULL);
	check_sentence(f->doubt ? f->doubt(ff) : NULL);
	check_sentence(f->version ? f->version(ff) : NULL);
	for (size_t i = 0; i < ff->n_cmdlines; i++)
		check_rewritten(f, ff, ff->cmdlines[i]);
	check_rewritten(f, ff, "");
	if (f->add_data)
		f->add_data(ff, &persistent, &data);
	if (f->add_over)
		f->add_over(ff, &over);
	if (f->add_answers)
		f->add_answers(ff, &persistent, "/livestick/ks.cfg", &args);
	volume_files_free(&data);
	newc_free(&over);
}

static void ask_all(const struct medium *m, const struct source *s)
{
	struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };
	const struct initrd *rds[1];
	struct family_facts ff = {
		.source = s, .cmdlines = (const char *const *)m->cmdline, .n_cmdlines = m->n_cmdlines, .initrds = rds
	};

	if (m->initrd && initrd_open(input_memory(m->initrd), m->initrd_len, "initrd", all_texts(), &rd, &e) == 0) {
		rds[0] = rd;
		ff.n_initrds = 1;
	}
	for (size_t i = 0; i < family_table_size; i++)
		ask(family_table[i], &ff);
	(void)family_detect(&ff);
	initrd_free(rd);
}

static void read_menu(struct source *s)
{
	struct facts f = { .source = s };
	AUTO_ERR struct err e = { 0 };
	int r = efi_read_source(s, &f.efi, &e);

	f.title = facts_title(s);
	if (r == 0)
		r = facts_read_menu(&f, &e);
	if (r == 0 && !f.menu_path)
		r = facts_make_menu(&f, &e);
	if (r == 0)
		r = facts_check_images(&f, &e);
	MUST(r == 0 ? !e.text : e.text && e.code == EXIT_SOURCE);
	for (size_t i = 0; i < f.menu.n; i++)
		MUST(source_find(s, f.menu.entry[i].kernel));
	facts_free(&f); /* and the source */
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct medium *m = xcalloc(1, sizeof(*m));
	struct source *s = &m->tree.source;
	AUTO_ERR struct err e = { 0 };
	char *cmdline[CMDLINES_MAX];

	source_init(s, &ops, "fuzz", "ISO 9660");
	tree_fill(&m->tree, data, size, "isolinux/isolinux.cfg", take_special);
	memcpy(cmdline, m->cmdline, sizeof(cmdline));
	if (source_sort(s, &e) == 0) {
		ask_all(m, s);
		read_menu(s);
	} else {
		source_free(s);
	}
	for (size_t i = 0; i < CMDLINES_MAX; i++)
		free(cmdline[i]);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
