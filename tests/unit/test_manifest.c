/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include "src/manifest.h"

static void sample(struct manifest *m)
{
	struct sha256 *h;

	manifest_set(m, "family", "live-boot");
	manifest_set(m, "source", "two\nlines.iso");
	manifest_setf(m, "written", "%d", 17);
	h = manifest_add_file(m, "/live/a b", 3);
	sha256_add(h, "abc", 3);
	(void)manifest_add_file(m, "/livestick/empty", 0);
}

static char *text_of_sample(size_t *ret_len)
{
	struct manifest m = { 0 };
	struct err e = { 0 };
	char *text;

	sample(&m);
	*ret_len = manifest_size(&m);
	text = xcalloc(1, *ret_len + 1);
	const struct input in = manifest_input(&m);
	CHECK_OK(input_read(&in, 0, text, *ret_len, &e), &e);
	manifest_free(&m);
	return text;
}

/* Digests by sha256sum of coreutils. */
TEST(text_form_is_as_documented)
{
	size_t len;
	AUTO_FREE char *text = text_of_sample(&len);

	static const char start[] =
	    "livestick-manifest 1\n"
	    "family live-boot\n"
	    "source two lines.iso\n"
	    "written 17\n"
	    "file ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 /live/a b\n"
	    "file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 /livestick/empty\n"
	    "content ";

	CHECK(strncmp(text, start, strlen(start)) == 0);
	CHECK_U64(strlen(text), len);
}

TEST(what_is_written_is_read)
{
	struct manifest m = { 0 };
	struct err e = { 0 };
	size_t len;
	AUTO_FREE char *text = text_of_sample(&len);

	if (!CHECK_OK(manifest_parse(text, len, &m, &e), &e))
		return;
	CHECK_STR(manifest_get(&m, "family"), "live-boot");
	CHECK_STR(manifest_get(&m, "source"), "two lines.iso");
	CHECK(manifest_get(&m, "nothing") == NULL);
	CHECK_U64(m.n_files, 2);
	CHECK_STR(m.file[0].path, "/live/a b");
	CHECK_U64(m.file[0].size, 3);
	CHECK(m.file[0].hash->digest[0] == 0xba && m.file[0].hash->digest[31] == 0xad);
	manifest_free(&m);
}

TEST(content_is_the_same_whatever_the_settings_are)
{
	size_t len;
	AUTO_FREE char *one = text_of_sample(&len);
	const char *content = strstr(one, "\ncontent ");
	u8 digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];
	static const char line[] =
	    "file ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 /live/a b\n";

	sha256_of(line, strlen(line), digest);
	sha256_hex(digest, hex);
	CHECK(content && strncmp(content + 9, hex, 64) == 0);
}

/* However it is read, it is the same text; a step back begins again, too much is told. */
TEST(the_text_is_made_while_it_is_read)
{
	size_t len;
	AUTO_FREE char *whole = text_of_sample(&len);

	for (size_t piece = 1; piece <= len; piece += piece < 70 ? 1 : 37) {
		struct manifest m = { 0 };
		struct err e = { 0 };
		AUTO_FREE char *text = xcalloc(1, len + 1);
		char last[8];

		sample(&m);
		const struct input in = manifest_input(&m);
		for (size_t off = 0; off < len; off += piece)
			CHECK_OK(input_read(&in, off, text + off, MIN(piece, len - off), &e), &e);
		CHECK(memcmp(text, whole, len) == 0);
		CHECK_OK(input_read(&in, 3, last, 5, &e), &e);
		CHECK(memcmp(last, whole + 3, 5) == 0);
		CHECK_OK(input_read(&in, len - 5, last, 5, &e), &e);
		CHECK(memcmp(last, whole + len - 5, 5) == 0);
		CHECK_FAILS(input_read(&in, len - 5, last, 6, &e), &e, "not as long as was planned");
		err_clear(&e);
		CHECK(strcmp(manifest_text(&m)->s, whole) == 0);
		manifest_free(&m);
	}
}

TEST(every_changed_byte_is_noticed)
{
	struct manifest m = { 0 };
	size_t len;
	AUTO_FREE char *text = text_of_sample(&len);

	for (size_t i = 0; i < len; i++) {
		struct err e = { 0 };

		text[i] ^= 1;
		CHECK(manifest_parse(text, len, &m, &e) < 0);
		text[i] ^= 1;
		err_clear(&e);
	}
	for (size_t n = 0; n < len; n++) {
		struct err e = { 0 };

		CHECK(manifest_parse(text, n, &m, &e) < 0);
		err_clear(&e);
	}
}

/* The digest at the end is no protection against somebody who means harm. */
static char *sealed(const char *body)
{
	struct buf b = { 0 };
	u8 digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	sha256_of(body, strlen(body), digest);
	sha256_hex(digest, hex);
	buf_addf(&b, "%send %s\n", body, hex);
	return b.s;
}

TEST(hostile_lines_are_refused)
{
	static const char *const body[] = {
		"",
		"livestick-manifest 2\n",
		"family x\n",
		"livestick-manifest 1\nfile\n",
		"livestick-manifest 1\nfile 00 3 /x\n",
		"livestick-manifest 1\nfile ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad -3 /x\n",
		"livestick-manifest 1\nfile ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 x\n",
		"livestick-manifest 1\nfile ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 "
		"/a/../x\n",
		"livestick-manifest 1\nfile ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad "
		"99999999999999999999999 /x\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(body); i++) {
		AUTO_FREE char *text = sealed(body[i]);
		struct manifest m = { 0 };
		struct err e = { 0 };

		CHECK_FAILS(manifest_parse(text, strlen(text), &m, &e), &e, "manifest");
	}
}

TEST(a_copy_with_a_change_is_a_manifest_again)
{
	struct manifest m = { 0 }, again = { 0 }, read = { 0 };
	struct manifest_change change = { .path = "/live/a b", .size = 7 };
	struct err e = { 0 };
	const struct buf *text;
	size_t len;
	AUTO_FREE char *first = text_of_sample(&len);

	memset(change.digest, 0xab, sizeof(change.digest));
	if (!CHECK_OK(manifest_parse(first, len, &m, &e), &e))
		return;
	manifest_copy(&m, &change, 1, &again);
	text = manifest_text(&again);
	if (CHECK_OK(manifest_parse(text->s, text->len, &read, &e), &e)) {
		CHECK_STR(manifest_get(&read, "family"), "live-boot");
		CHECK_U64(read.n_files, 2);
		CHECK_U64(read.file[0].size, 7);
		CHECK(memcmp(read.file[0].hash->digest, change.digest, SHA256_SIZE) == 0);
		CHECK(manifest_lists(&read, "/livestick/empty") && !manifest_lists(&read, "/live"));
		CHECK(!manifest_same(&m, &read));
		CHECK(strcmp(manifest_get(&m, "content"), manifest_get(&read, "content")) != 0);
	}
	manifest_free(&again);
	manifest_free(&read);
	change.new_path = "/livestick/loader/x";
	manifest_copy(&m, &change, 1, &again);
	text = manifest_text(&again);
	if (CHECK_OK(manifest_parse(text->s, text->len, &read, &e), &e)) {
		CHECK(manifest_lists(&read, "/livestick/loader/x") && !manifest_lists(&read, "/live/a b"));
		CHECK_U64(read.file[0].size, 7);
	}
	manifest_free(&again);
	manifest_copy(&m, NULL, 0, &again);
	text = manifest_text(&again);
	CHECK(text->len == len && memcmp(text->s, first, len) == 0);
	manifest_free(&m);
	manifest_free(&again);
	manifest_free(&read);
}

/* The same system is the same in either slot. */
TEST(the_slot_is_no_part_of_the_content)
{
	static const char *const path[] = { "/live/vmlinuz", "/slot-b/live/vmlinuz", "/slot-c/live/vmlinuz" };
	char content[3][SHA256_HEX_SIZE];

	for (size_t i = 0; i < 3; i++) {
		struct manifest m = { 0 }, read = { 0 };
		struct err e = { 0 };
		const struct buf *text;

		sha256_add(manifest_add_file(&m, path[i], 3), "abc", 3);
		text = manifest_text(&m);
		CHECK_OK(manifest_parse(text->s, text->len, &read, &e), &e);
		snprintf(content[i], sizeof(content[i]), "%s", manifest_get(&read, "content"));
		manifest_free(&m);
		manifest_free(&read);
	}
	CHECK_STR(content[0], content[1]);
	CHECK(strcmp(content[0], content[2]) != 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
