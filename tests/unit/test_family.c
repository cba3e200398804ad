/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/family.h"

#include <stdio.h>

#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static const struct family_facts no_facts;

/* ---- words of a command line */

TEST(words_end_at_blanks_outside_quotes)
{
	static const char args[] = "  a  b=\"c d\"\t\"e f\" g\"h";
	static const char *const want[] = { "a", "b=\"c d\"", "\"e f\"", "g\"h" };
	const char *pos = args, *word;
	size_t len, n = 0;

	while ((word = args_next(&pos, &len))) {
		AUTO_FREE char *copy = xstrndup(word, len);

		CHECK_STR(copy, n < ARRAY_SIZE(want) ? want[n] : "(no more)");
		n++;
	}
	CHECK_U64(n, 4);
	pos = "";
	CHECK(args_next(&pos, &len) == NULL);
	pos = " \n\t";
	CHECK(args_next(&pos, &len) == NULL && *pos == '\0');
}

TEST(has)
{
	CHECK(args_has("a b=1", "b="));
	CHECK(args_has("a b=1", "a"));
	CHECK(args_has("b=", "b="));
	CHECK(args_has("\"x=a b\"", "x="));
	CHECK(args_has("persistence-label=x", "persistence-*"));
	CHECK(!args_has("a b=1", "b"));
	CHECK(!args_has("ab=1", "b="));
	CHECK(!args_has("x=\"boot=live y\"", "y\""));
	CHECK(!args_has("x=\"1 boot=live\"", "boot=live"));
	CHECK(!args_has("persistence", "persistence-*"));
	CHECK(!args_has("", "a"));
	CHECK(!args_has("\"", "a"));
}

TEST(value)
{
	static const struct {
		const char *args, *want;
	} row[] = {
		{ "a=1 b=2", "2" },     { "b=", "" },       { "b=\"x y\" c", "x y" },
		{ "\"b=x y\"", "x y" }, { "b=1 b=2", "2" }, { "b=c=d", "c=d" },
		{ "ab=1", NULL },       { "", NULL },       { "b", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_FREE char *got = args_value(row[i].args, "b=");

		if (row[i].want)
			CHECK_STR(got, row[i].want);
		else
			CHECK(got == NULL);
	}
}

TEST(without_and_add)
{
	static const char *const drop[] = { "quiet", "live-media=", "persistence-*" };
	AUTO_BUF struct buf out = { 0 };

	args_without(" a=\"x  y\"  quiet live-media=/dev/x\tpersistence-label=p persistence quiet=1 ", drop, 3, &out);
	CHECK_STR(out.s, "a=\"x  y\" persistence quiet=1");
	args_add(&out, "new one=1");
	CHECK_STR(out.s, "a=\"x  y\" persistence quiet=1 new one=1");
	buf_clear(&out);
	args_without("quiet", drop, 3, &out);
	CHECK_STR(out.s, "");
	args_add(&out, "new");
	CHECK_STR(out.s, "new");
	buf_clear(&out);
	buf_adds(&out, "a --- b --- c");
	args_add(&out, "new");
	CHECK_STR(out.s, "a new --- b --- c");
	buf_clear(&out);
	buf_adds(&out, "--");
	args_add(&out, "new");
	CHECK_STR(out.s, "new --");
}

/* ---- detection: a directory as the source */

static struct source *tree(const char *commands)
{
	AUTO_FREE char *dir = sandbox_path("tree");
	AUTO_ERR struct err e = { 0 };
	struct source *s = NULL;

	if (sandbox_run("rm -rf '%s' && mkdir '%s' && cd '%s' && %s", dir, dir, dir, commands) != 0 ||
	    source_open(dir, &s, &e) < 0) {
		printf("# %s: %s%s\n", commands, sandbox_said(), e.text ? e.text : "");
		exit(99);
	}
	return s;
}

#define LIVE "mkdir live && echo hsqs >live/filesystem.squashfs"

TEST(detection)
{
	static const struct {
		const char *tree, *args, *family;
	} row[] = {
		{ LIVE, "boot=live components", "live-boot" },
		{ LIVE, "quiet", "live-boot" },
		{ LIVE, "boot=casper", "casper" },
		{ "mkdir live && echo x >live/root.ext4", "", "live-boot" },
		{ "mkdir live && echo x >live/vmlinuz", "", NULL },
		{ "mkdir live && echo x >live/.squashfs", "", NULL },
		{ "mkdir casper && echo x >casper/filesystem.squashfs", "boot=casper quiet --", "casper" },
		{ "mkdir casper && echo x >casper/filesystem.squashfs", "boot=live live-media-path=/casper",
		  "live-boot" },
		{ LIVE, "boot=live module=Tails", "tails" },
		{ LIVE " && echo x >live/Tails.module", "boot=live", "tails" },
		{ "true", "root=live:CDLABEL=x", "dmsquash" },
		{ "true", "x=\"boot=live\"", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_SOURCE struct source *s = tree(row[i].tree);
		const char *const args[] = { "vga=788", row[i].args };
		const struct family_facts facts = { .source = s, .cmdlines = args, .n_cmdlines = 2 };
		const struct family *f = family_detect(&facts);

		if (row[i].family ? !f || strcmp(f->name, row[i].family) != 0 : f != NULL)
			test_fail(__FILE__, __LINE__, "row %zu: %s", i, f ? f->name : "none");
	}
}

TEST(files_alone_score_less_than_a_token)
{
	AUTO_SOURCE struct source *s = tree(LIVE);
	const char *const token[] = { "boot=live" };
	struct family_facts facts = { .source = s, .cmdlines = token, .n_cmdlines = 1 };

	CHECK_U64(family_live_boot.score(&facts), 100);
	facts.n_cmdlines = 0;
	CHECK_U64(family_live_boot.score(&facts), 50);
}

TEST(the_table)
{
	CHECK(family_by_name("live-boot") == &family_live_boot);
	CHECK(family_by_name("tails") == &family_tails);
	CHECK(family_by_name("") == NULL && family_by_name("live") == NULL);
	for (size_t i = 0; i < family_table_size; i++) {
		const struct family *f = family_table[i];

		CHECK(f->title && (!f->data_label || strlen(f->data_label) <= 16));
	}
}

TEST(refusal)
{
	static const struct {
		const char *tree, *args, *why;
	} row[] = {
		{ LIVE, "boot=live", NULL },
		{ LIVE, "boot=live live-media-path=/live/", NULL },
		{ LIVE, "boot=live live-media-path=live", NULL },
		{ LIVE, "boot=live live-media-path=/casper", "no system image (*.squashfs) in /casper" },
		{ "mkdir -p live/x && echo x >live/x/x.squashfs", "boot=live live-media-path=/live/x", NULL },
		{ "mkdir live", "boot=live", "no system image (*.squashfs) in /live" },
		{ "true", "boot=live", "no system image (*.squashfs) in /live" },
		{ "echo x >live", "boot=live", "no system image (*.squashfs) in /live" },
		{ LIVE, "quiet", NULL },
		{ "true", "quiet", "no system image (*.squashfs) in /live" },
		{ "true", "boot=live fetch=http://x/y", "no system image (*.squashfs) in /live" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_SOURCE struct source *s = tree(row[i].tree);
		const char *const args[] = { row[i].args };
		const struct family_facts facts = { .source = s, .cmdlines = args, .n_cmdlines = 1 };
		AUTO_FREE char *why = family_live_boot.refuse(&facts);

		if (row[i].why ? !why || !strstr(why, row[i].why) : why != NULL)
			test_fail(__FILE__, __LINE__, "row %zu: %s", i, why ? why : "(not refused)");
	}
}

/* One entry whose medium is there is enough. */
TEST(one_good_entry_is_enough)
{
	AUTO_SOURCE struct source *s = tree(LIVE);
	const char *const args[] = { "boot=live live-media-path=/other", "boot=live" };
	const struct family_facts facts = { .source = s, .cmdlines = args, .n_cmdlines = 2 };
	AUTO_FREE char *why = family_live_boot.refuse(&facts), *tails = family_tails.refuse(&facts);

	CHECK(why == NULL);
	CHECK(tails && strstr(tails, "USB image"));
}

/* ---- arguments */

#define MEDIA "live-media=/dev/disk/by-uuid/1234-ABCD"
#define SAVE  "persistence persistence-label=ls-x persistence-storage=filesystem "

TEST(live_boot_arguments)
{
	static const struct {
		const char *args, *slot;
		bool persistent;
		const char *want;
	} row[] = {
		{ "boot=live components quiet", "", true, "boot=live components quiet " SAVE MEDIA },
		{ "boot=live components quiet", "", false, "boot=live components quiet nopersistence " MEDIA },
		{ "boot=live", "/slot-b", true, "boot=live " SAVE MEDIA " live-media-path=/slot-b/live" },
		{ "boot=live live-media-path=/casper/ x", "", true,
		  "boot=live x " SAVE MEDIA " live-media-path=/casper" },
		{ "boot=live live-media-path=casper", "/slot-b", false,
		  "boot=live nopersistence " MEDIA " live-media-path=/slot-b/casper" },
		{ "boot=live live-media-path=/live", "", false, "boot=live nopersistence " MEDIA },
		{ "boot=live persistence persistence-encryption=luks persistence-label=kali persistent=cryptsetup", "",
		  true, "boot=live " SAVE MEDIA },
		{ "nopersistence boot=live findiso=${iso_path} fromiso=/dev/x/y.iso iso-scan/filename=/x.iso toram "
		  "noeject",
		  "", true, "boot=live toram noeject " SAVE MEDIA },
		{ "boot=live live-media=removable ocs=\"a  persistence b\" --- quiet", "", true,
		  "boot=live ocs=\"a  persistence b\" " SAVE MEDIA " --- quiet" },
		{ "", "", true, "boot=live components " SAVE MEDIA },
		{ "vga=788  --- quiet", "/slot-b", true, "vga=788 --- quiet" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const struct family_medium m = {
			.boot_uuid = "1234-ABCD",
			.data_uuid = "x",
			.label = "ls-x",
			.slot = row[i].slot,
			.persistent = row[i].persistent,
		};
		AUTO_BUF struct buf out = { 0 };

		family_live_boot.rewrite(&no_facts, row[i].args, &m, &out);
		CHECK_STR(out.s, row[i].want);
	}
}

TEST(live_boot_checks_are_of_no_use)
{
	static const char *const check[] = { "verify-checksums", "verify-checksums=sha256,md5",
		                             "live-boot.verify-checksums", "live-boot.verify-checksums=md5",
		                             "integrity-check" };

	CHECK(!family_live_boot.no_use("boot=live components"));
	for (size_t i = 0; i < ARRAY_SIZE(check); i++) {
		const struct family_medium m = { .boot_uuid = "1234-ABCD", .label = "p", .slot = "" };
		AUTO_BUF struct buf args = { 0 }, out = { 0 };

		buf_addf(&args, "boot=live %s quiet", check[i]);
		CHECK(family_live_boot.no_use(args.s));
		family_live_boot.rewrite(&no_facts, args.s, &m, &out);
		CHECK_STR(out.s, "boot=live quiet nopersistence live-media=/dev/disk/by-uuid/1234-ABCD");
	}
}

TEST(live_boot_data)
{
	CHECK_U64(family_live_boot.n_data, 1);
	CHECK_STR(family_live_boot.data[0].path, "/persistence.conf");
	CHECK_STR(family_live_boot.data[0].text, "/ union\n");
	CHECK_U64(family_live_boot.data[0].mode, 0644);
	CHECK(family_live_boot.takes_slot && !family_tails.takes_slot);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
