/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Menus in the shape of real ones (tests/fixtures/menus): read, against what was written down by hand; written for our
 * loaders and read back; and shown to GRUB's own parser.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "bootinst/menu.h"
#include "tests/lib/test.h"

#define MENUS     "tests/fixtures/menus"
#define AUTO_MENU CLEANUP(menu_free)

enum kind { ISOLINUX, GRUB, BLS };

static const struct fixture {
	const char *dir;
	enum kind kind;
	const char *path;
	const char *expected; /* NULL: called like the directory */
	unsigned warnings;    /* arguments that GRUB cannot pass */
} fixtures[] = {
	{ "alpine", ISOLINUX, "/boot/syslinux/syslinux.cfg", NULL, 0 },
	{ "antix", ISOLINUX, "/boot/isolinux/isolinux.cfg", NULL, 0 },
	{ "arch", ISOLINUX, "/boot/syslinux/syslinux.cfg", NULL, 0 },
	{ "centos-7", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 4 },
	{ "clonezilla", ISOLINUX, "/syslinux/isolinux.cfg", NULL, 0 },
	{ "debian-12", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 0 },
	{ "fedora-36", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 0 },
	{ "gentoo", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 0 },
	{ "kali", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 0 },
	{ "mint-21", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 0 },
	{ "puppy", ISOLINUX, "/isolinux.cfg", NULL, 0 },
	{ "systemrescue", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 0 },
	{ "tails", ISOLINUX, "/isolinux/isolinux.cfg", NULL, 0 },
	{ "void", ISOLINUX, "/boot/isolinux/isolinux.cfg", NULL, 0 },
	{ "grub-alpine", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-antix", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-arch", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-arch", GRUB, "/boot/grub/loopback.cfg", "grub-arch-loopback", 0 },
	{ "grub-artix", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-calculate", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-debian-12", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-fedora-41", GRUB, "/EFI/BOOT/grub.cfg", NULL, 0 },
	{ "grub-fedora-42", GRUB, "/boot/grub2/grub.cfg", NULL, 0 },
	{ "grub-gentoo", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-gparted", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-kali", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-mageia", GRUB, "/boot/grub2/grub.cfg", NULL, 0 },
	{ "grub-manjaro", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-mint-22", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-nixos", GRUB, "/EFI/boot/grub.cfg", NULL, 0 },
	{ "grub-openeuler", GRUB, "/EFI/BOOT/grub.cfg", NULL, 0 },
	{ "grub-opensuse", GRUB, "/boot/grub2/grub.cfg", NULL, 0 },
	{ "grub-parrot", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-puppy", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-puppy", GRUB, "/boot/grub/loopback.cfg", "grub-puppy-loopback", 0 },
	{ "grub-systemrescue", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-ubuntu-24.04", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "grub-ubuntu-24.04", GRUB, "/boot/grub/loopback.cfg", "grub-ubuntu-24.04-loopback", 0 },
	{ "grub-void", GRUB, "/boot/grub/grub.cfg", NULL, 0 },
	{ "bls-pop", BLS, "/loader/loader.conf", NULL, 0 },
	{ "grub-arch", BLS, "/loader/loader.conf", "grub-arch-bls", 0 },
};

static const char *name_of(const struct fixture *f)
{
	return f->expected ? f->expected : f->dir;
}

/* ---- reading */

static char *read_all(const char *path, size_t *ret_len)
{
	struct buf text = { 0 };
	char piece[4096];
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return NULL;
	buf_adds(&text, "");
	while ((n = fread(piece, 1, sizeof(piece), f)))
		buf_add(&text, piece, n);
	fclose(f);
	*ret_len = text.len;
	return text.s;
}

static int load_from_dir(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	AUTO_BUF struct buf full = { 0 };
	struct stat st;

	(void)e;
	buf_addf(&full, "%s%s", (const char *)ctx, path);
	if (stat(full.s, &st) < 0)
		return -ENOENT;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	*ret_text = read_all(full.s, ret_len);
	return *ret_text ? 0 : -EIO;
}

/* All of /loader/entries, and the default of loader.conf. */
static int read_bls(const struct menu_loader *l, const char *conf, struct menu *ret, struct err *e)
{
	AUTO_FREE char *default_name = NULL;
	AUTO_BUF struct buf dir = { 0 };
	struct dirent **entry;
	char *paths[16];
	unsigned timeout_ds;
	int n, r = menu_read_loader_conf(l, conf, &default_name, &timeout_ds, e);

	buf_addf(&dir, "%s/loader/entries", (const char *)l->ctx);
	n = scandir(dir.s, &entry, NULL, alphasort);
	for (int i = 2; i < n; i++) {
		AUTO_BUF struct buf path = { 0 };

		buf_addf(&path, "/loader/entries/%s", entry[i]->d_name);
		paths[i - 2] = xstrdup(path.s);
	}
	if (r == 0)
		r = menu_read_bls(l, (const char *const *)paths, (size_t)(n - 2), default_name, ret, e);
	for (int i = 2; i < n; i++)
		free(paths[i - 2]);
	for (int i = 0; i < n; i++)
		free(entry[i]);
	free(entry);
	ret->timeout_ds = r == 0 ? timeout_ds : 0;
	return r;
}

static bool read_fixture(const struct fixture *f, struct menu *ret)
{
	AUTO_BUF struct buf dir = { 0 };
	AUTO_ERR struct err e = { 0 };
	int r;

	buf_addf(&dir, "%s/%s", MENUS, f->dir);
	const struct menu_loader l = { load_from_dir, dir.s };

	r = f->kind == ISOLINUX ? menu_read_syslinux(&l, f->path, ret, &e)
	    : f->kind == GRUB   ? menu_read_grub(&l, f->path, ret, &e)
	                        : read_bls(&l, f->path, ret, &e);
	if (r < 0 || e.text)
		test_fail(__FILE__, __LINE__, "%s: %d: %s", name_of(f), r, e.text ? e.text : "");
	return r == 0;
}

static void add_rendered(const struct menu *m, struct buf *out)
{
	if (m->title)
		buf_addf(out, "title: %s\n", m->title);
	buf_addf(out, "timeout: %u\n", m->timeout_ds);
	for (size_t i = 0; i < m->n; i++) {
		const struct menu_entry *n = &m->entry[i];

		buf_addf(out, "\n%s%s: %s\n", n->is_default ? "* " : "", n->id, n->title);
		if (n->submenu)
			buf_addf(out, "  in: %s\n", n->submenu);
		buf_addf(out, "  kernel: %s\n", n->kernel);
		for (size_t k = 0; k < n->n_initrds; k++)
			buf_addf(out, "  initrd: %s\n", n->initrds[k]);
		buf_addf(out, "  args: %s\n", n->args);
	}
}

TEST(menus_are_read_as_written_down_by_hand)
{
	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++) {
		AUTO_BUF struct buf rendered = { 0 }, path = { 0 };
		AUTO_FREE char *expected = NULL;
		AUTO_MENU struct menu m = { 0 };
		size_t len;

		buf_addf(&path, "%s/%s.expected", MENUS, name_of(&fixtures[i]));
		expected = read_all(path.s, &len);
		if (!read_fixture(&fixtures[i], &m))
			continue;
		add_rendered(&m, &rendered);
		if (!expected || strcmp(rendered.s, expected) != 0)
			test_fail(__FILE__, __LINE__, "%s is read as:\n%s", path.s, rendered.s);
	}
}

/* ---- the same menu after it was written */

struct stick {
	struct buf top, slot;
	char sector[MENU_SWITCH_SIZE];
	bool for_grub;
};

static int load_from_stick(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	const struct stick *s = ctx;
	const char *const names[] = { s->for_grub ? "/livestick/grub.cfg" : "/livestick/syslinux.cfg",
		                      s->for_grub ? "/livestick/a.grub" : "/livestick/a.cfg", "/livestick/switch.cfg" };
	const char *const texts[] = { s->top.s, s->slot.s, s->sector };
	const size_t lengths[] = { s->top.len, s->slot.len, sizeof(s->sector) };

	(void)e;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], path) == 0) {
			*ret_len = lengths[i];
			*ret_text = xstrndup(texts[i], lengths[i]);
			return 0;
		}
	}
	return -ENOENT;
}

static void stick_free(struct stick *s)
{
	buf_free(&s->top);
	buf_free(&s->slot);
}

static bool write_stick(const char *name, const struct menu *m, struct stick *s, struct buf *warnings)
{
	struct menu_switch which = { .slot = 'a' };
	AUTO_ERR struct err e = { 0 };
	int r;

	if (s->for_grub)
		menu_write_grub_top(m->timeout_ds, "linux", &s->top);
	else
		menu_write_syslinux_top(m->timeout_ds, false, &s->top);
	for (size_t i = 0; i < m->n; i++)
		if (m->entry[i].is_default)
			snprintf(which.default_id, sizeof(which.default_id), "%s", m->entry[i].id);
	menu_write_switch(&which, s->sector);
	r = s->for_grub ? menu_write_grub(m, &s->slot, warnings, &e) : menu_write_syslinux(m, &s->slot, &e);
	if (r < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", name, e.text);
	return r == 0;
}

static bool read_stick(const char *name, struct stick *s, struct menu *ret)
{
	const struct menu_loader l = { load_from_stick, s };
	AUTO_ERR struct err e = { 0 };
	int r = s->for_grub ? menu_read_grub(&l, "/livestick/grub.cfg", ret, &e)
	                    : menu_read_syslinux(&l, "/livestick/syslinux.cfg", ret, &e);

	if (r < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", name, e.text);
	return r == 0;
}

/* GRUB puts quotes around words, not around values. */
static char *without_quotes(const char *args)
{
	struct buf text = { 0 };

	buf_adds(&text, "");
	for (; *args; args++)
		if (*args != '"')
			buf_add(&text, args, 1);
	return text.s;
}

static const struct menu_entry *find_id(const struct menu *m, const char *id)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->entry[i].id, id) == 0)
			return &m->entry[i];
	return NULL;
}

static bool is_ascii(const char *s)
{
	while (*s && !(*s & 0x80))
		s++;
	return !*s;
}

static bool same_title(const char *a, const char *b, bool for_grub)
{
	return (!for_grub && a && b && !is_ascii(a)) || strcmp(a ? a : "", b ? b : "") == 0;
}

static void check_entry(const char *name, const struct menu_entry *a, const struct menu_entry *b, bool for_grub)
{
	AUTO_FREE char *args_a = without_quotes(a->args), *args_b = b ? without_quotes(b->args) : NULL;
	bool same = b && strcmp(a->kernel, b->kernel) == 0 && strcmp(args_a, args_b) == 0 &&
	            a->n_initrds == b->n_initrds && a->is_default == b->is_default &&
	            same_title(a->title, b->title, for_grub) &&
	            same_title(a->is_default ? NULL : a->submenu, b->submenu, for_grub);

	for (size_t i = 0; same && i < a->n_initrds; i++)
		same = strcmp(a->initrds[i], b->initrds[i]) == 0;
	if (!same)
		test_fail(__FILE__, __LINE__, "%s: entry %s comes back otherwise, or not at all: %s | %s | %s | %s",
		          name, a->id, b ? b->title : "", b && b->submenu ? b->submenu : "", b ? b->kernel : "",
		          b ? b->args : "");
}

static unsigned count_lines(const struct buf *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->s[i] == '\n';
	return n;
}

static void check_round_trip(const struct fixture *f, bool for_grub)
{
	CLEANUP(stick_free) struct stick first = { .for_grub = for_grub }, second = { .for_grub = for_grub };
	AUTO_MENU struct menu m = { 0 }, again = { 0 };
	AUTO_BUF struct buf warnings = { 0 }, more = { 0 };

	if (!read_fixture(f, &m) || !write_stick(name_of(f), &m, &first, &warnings) ||
	    !read_stick(name_of(f), &first, &again))
		return;
	if (m.n != again.n || count_lines(&warnings) != (for_grub ? f->warnings : 0))
		test_fail(__FILE__, __LINE__, "%s: %zu of %zu entries came back; warnings: %s", name_of(f), again.n,
		          m.n, warnings.len ? warnings.s : "none");
	for (size_t i = 0; i < m.n; i++)
		check_entry(name_of(f), &m.entry[i], find_id(&again, m.entry[i].id), for_grub);
	CHECK_U64(again.timeout_ds, for_grub ? (m.timeout_ds + 9) / 10 * 10 : m.timeout_ds);
	/* and so does the order */
	if (write_stick(name_of(f), &again, &second, &more) && strcmp(first.slot.s, second.slot.s) != 0)
		test_fail(__FILE__, __LINE__, "%s: written again, it is another:\n%s\n%s", name_of(f), first.slot.s,
		          second.slot.s);
}

TEST(menus_come_back_from_syslinux)
{
	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++)
		check_round_trip(&fixtures[i], false);
}

TEST(menus_come_back_from_grub)
{
	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++)
		check_round_trip(&fixtures[i], true);
}

/* ---- GRUB's own parser */

static void check_script(const char *dir, const char *name, const void *text, size_t len)
{
	AUTO_BUF struct buf path = { 0 }, command = { 0 };
	FILE *f;

	buf_addf(&path, "%s/script", dir);
	buf_addf(&command, "grub-script-check %s", path.s);
	f = fopen(path.s, "w");
	if (!f || fwrite(text, 1, len, f) != len || fclose(f) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", path.s, strerror(errno));
	else if (system(command.s) != 0)
		test_fail(__FILE__, __LINE__, "%s: grub-script-check refuses:\n%.*s", name, (int)len,
		          (const char *)text);
	unlink(path.s);
}

TEST(grub_script_check_accepts_what_we_write)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_BUF struct buf dir = { 0 }, stub = { 0 };

	if (system("command -v grub-script-check >/dev/null") != 0)
		test_skip("grub-script-check is not installed");
	buf_addf(&dir, "%s/menu-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir.s)) {
		test_fail(__FILE__, __LINE__, "%s: %s", dir.s, strerror(errno));
		return;
	}
	menu_write_grub_stub("ABCD-1234", &stub);
	check_script(dir.s, "the stub", stub.s, stub.len);
	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++) {
		CLEANUP(stick_free) struct stick s = { .for_grub = true };
		const char *name = name_of(&fixtures[i]);
		AUTO_MENU struct menu m = { 0 };
		AUTO_BUF struct buf warnings = { 0 };

		if (!read_fixture(&fixtures[i], &m) || !write_stick(name, &m, &s, &warnings))
			continue;
		check_script(dir.s, name, s.top.s, s.top.len);
		check_script(dir.s, name, s.slot.s, s.slot.len);
		check_script(dir.s, name, s.sector, sizeof(s.sector));
	}
	rmdir(dir.s);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
