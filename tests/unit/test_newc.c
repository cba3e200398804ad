/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/source/newc.h"

#include <stdio.h>

#include "src/source/initrd.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static struct newc two_files(void)
{
	struct newc c = { .mtime = 1600000000 };

	newc_add(&c, "hooks/x", 0755, "first\n", 6);
	newc_add(&c, "hooks/yy", 0644, "second", 6);
	newc_end(&c);
	return c;
}

TEST(cpio_lists_it)
{
	CLEANUP(newc_free) struct newc c = two_files();
	AUTO_FREE char *path = sandbox_path("a.cpio");
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(c.data.s + 512, 1, c.data.len - 512, f) == c.data.len - 512);
	if (f)
		fclose(f);
	CHECK_U64(c.data.len % 512, 0);
	CHECK_U64(sandbox_run("TZ=UTC cpio -itv --quiet <%s", path), 0);
	CHECK(strstr(sandbox_said(), "-rwxr-xr-x   1 root     root            6 Sep 13  2020 hooks/x\n"));
	CHECK(strstr(sandbox_said(), "-rw-r--r--   1 root     root            6 Sep 13  2020 hooks/yy\n"));
}

/* As the kernel would have it: ours goes over what the first archive has. Loaders put each file at a multiple of 4. */
TEST(goes_over_an_initrd)
{
	CLEANUP(newc_free) struct newc c = two_files();
	static const char *const texts[] = { "hooks/*", NULL };
	AUTO_FREE char *path = sandbox_path("both"), *dir = sandbox_path("tree");
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *all = xcalloc(1, MIB);
	AUTO_INITRD struct initrd *rd = NULL;
	FILE *f;
	size_t n;

	CHECK_U64(sandbox_run("mkdir -p %s/hooks && echo old >%s/hooks/x && (cd %s && find . | cpio -o -H newc --quiet) | "
	                      "lz4 -l >%s && truncate -s %%4 %s",
	                      dir, dir, dir, path, path),
	          0);
	f = fopen(path, "a+");
	CHECK(f && fwrite(c.data.s, 1, c.data.len, f) == c.data.len && fseek(f, 0, SEEK_SET) == 0);
	n = f ? fread(all, 1, MIB, f) : 0;
	if (f)
		fclose(f);
	if (!CHECK_OK(initrd_open(input_memory(all), n, "both", texts, &rd, &e), &e))
		return;
	CHECK_STR(initrd_find(rd, "hooks/x")->text, "first\n");
	CHECK_STR(initrd_find(rd, "hooks/yy")->text, "second");
}

TEST(nothing_is_nothing)
{
	struct newc c = { 0 };

	newc_end(&c);
	CHECK_U64(c.data.len, 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
