/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernels: those of distributions, and made-up ones in each compression. */
#include "src/base/progress.h"
#include "tests/unit/kernel_case.h"

static void check_failure(struct input in, u64 size, int errno_wanted, const char *sentence)
{
	AUTO_ERR struct err e = { 0 };
	struct kernel k = { 0 };
	int r = kernel_read(in, size, "/boot/vmlinuz", &k, &e);

	CHECK_U64((u64)-r, (u64)-errno_wanted);
	CHECK(!k.name && e.code == (errno_wanted == -EINTR ? EXIT_OK : EXIT_SOURCE));
	CHECK_STR(e.text, sentence);
}

static bool read_good(const struct buf *b, struct kernel *ret)
{
	AUTO_ERR struct err e = { 0 };

	*ret = (struct kernel){ 0 };
	return CHECK_OK(kernel_read(input_memory(b->s), b->len, "/boot/vmlinuz", ret, &e), &e);
}

static const char make_config[] =
    "(echo '#'; echo '# Automatically generated file; DO NOT EDIT.'; echo; echo 'CONFIG_64BIT=y'; "
    "echo '# CONFIG_SQUASHFS_XZ is not set'; echo 'CONFIG_SQUASHFS=m'; echo 'CONFIG_OVERLAY_FS=y'; "
    "echo 'CONFIG_FAT_DEFAULT_IOCHARSET=\"iso8859-1\"'; echo 'CONFIG_FAT_DEFAULT_CODEPAGE=437'; "
    "echo 'CONFIG_LOCALVERSION=\"\"'; echo 'CONFIG_NO=n'; "
    "for i in $(seq 1 9999); do echo \"CONFIG_OTHER_$i=y\"; done; printf 'CONFIG_LAST=m') >config";

static void check_config(const struct kernel *k, const char *from)
{
	AUTO_FREE char *charset = kernel_option_text(k, "CONFIG_FAT_DEFAULT_IOCHARSET");
	AUTO_FREE char *page = kernel_option_text(k, "CONFIG_FAT_DEFAULT_CODEPAGE");
	AUTO_FREE char *local = kernel_option_text(k, "CONFIG_LOCALVERSION");
	AUTO_FREE char *none = kernel_option_text(k, "CONFIG_LOCALVERSIO");

	CHECK_STR(k->config_from, from);
	CHECK(kernel_option(k, "CONFIG_SQUASHFS") == KERNEL_MODULE);
	CHECK(kernel_option(k, "CONFIG_SQUASHFS_XZ") == KERNEL_NO);
	CHECK(kernel_option(k, "CONFIG_SQUASH") == KERNEL_NO);
	CHECK(kernel_option(k, "CONFIG_NO") == KERNEL_NO);
	CHECK(kernel_option(k, "CONFIG_OVERLAY_FS") == KERNEL_BUILT_IN);
	CHECK(kernel_option(k, "CONFIG_OTHER_9999") == KERNEL_BUILT_IN);
	CHECK(kernel_option(k, "CONFIG_LAST") == KERNEL_MODULE);
	CHECK_STR(charset, "iso8859-1");
	CHECK_STR(page, "437");
	CHECK_STR(local, "");
	CHECK(!none);
}

TEST(each_compression)
{
	static const struct setup setup = { 0x20f, 0x7f, "5.4.1-own (root@host) #1 SMP" };

	if (!sh(make_config) || !make_vmlinux(ELF_64, "5.4.1-own"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		AUTO_BUF struct buf b = make_bzimage(&packers[i], &setup);
		struct kernel k;

		if (!read_good(&b, &k))
			continue;
		CHECK_STR(k.format, "bzImage");
		CHECK_STR(k.version, "5.4.1-own");
		CHECK_U64(k.bits, 64);
		CHECK(k.is_x86 && k.is_relocatable);
		if (k.config)
			check_config(&k, "/boot/vmlinuz");
		else
			test_fail(__FILE__, __LINE__, "%s: no configuration was found", packers[i].name);
		kernel_free(&k);
	}
}

/* Kernels before 3.8 do not say in the header whether they are for 64 bits; and some headers have no version. */
TEST(what_the_header_does_not_say)
{
	static const struct setup old = { 0x20a, 0x7f, NULL };
	static const struct setup ancient = { 0x203, 0, "2.4.37 (root@host)" };
	struct kernel k;

	if (!sh(": >config") || !make_vmlinux(ELF_64, "2.6.32-71.el6"))
		return;
	AUTO_BUF struct buf b = make_bzimage(&packers[0], &old);

	if (read_good(&b, &k)) {
		CHECK_STR(k.version, "2.6.32-71.el6");
		CHECK_U64(k.bits, 64);
		CHECK(!k.config && kernel_option(&k, "CONFIG_SQUASHFS") == KERNEL_UNKNOWN);
		CHECK(!kernel_option_text(&k, "CONFIG_SQUASHFS"));
		kernel_free(&k);
	}
	buf_free(&b);
	if (!make_vmlinux(ELF_32, "2.6.32-71.el6"))
		return;
	b = make_bzimage(&packers[0], &old);
	if (read_good(&b, &k)) {
		CHECK_U64(k.bits, 32);
		kernel_free(&k);
	}
	buf_free(&b);
	b = make_bzimage(&packers[0], &ancient);
	if (read_good(&b, &k)) {
		CHECK_STR(k.version, "2.4.37");
		CHECK_U64(k.bits, 0);
		CHECK(!k.is_relocatable);
		kernel_free(&k);
	}
}

TEST(other_kernels)
{
	static const struct {
		const char *command, *format;
		unsigned bits;
		bool is_x86;
	} kernels[] = {
		{ "cp vmlinux x", "vmlinux", 64, true },
		{ "gzip <vmlinux >x", "packed kernel", 64, false },
		{ "(head -c 56 /dev/zero; printf 'ARM\\144'; cat vmlinux) >x", "arm64 Image", 64, false },
		{ "zstd -q <vmlinux >p && (printf 'MZ\\0\\0zimg\\100\\0\\0\\0\\0\\0\\0\\0zstd22'; head -c 42 "
		  "/dev/zero; "
		  "cat p; printf xyz) >x && printf \"$(stat -c %s p | awk '{printf \"\\\\%03o\\\\%03o\\\\%03o\", $1 % "
		  "256, "
		  "int($1 / 256) % 256, int($1 / 65536)}')\" | dd of=x bs=1 seek=12 conv=notrunc status=none",
		  "EFI zboot image", 64, false },
	};

	if (!sh(make_config) || !make_vmlinux(ELF_64, "6.12.3"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		struct kernel k;

		if (!sh(kernels[i].command))
			continue;
		AUTO_BUF struct buf b = load("x");

		if (!read_good(&b, &k))
			continue;
		CHECK_STR(k.format, kernels[i].format);
		CHECK_STR(k.version, "6.12.3");
		CHECK_U64(k.bits, kernels[i].bits);
		CHECK(k.is_x86 == kernels[i].is_x86);
		check_config(&k, "/boot/vmlinuz");
		kernel_free(&k);
	}
}

TEST(what_is_no_kernel)
{
	static const struct setup setup = { 0x20f, 0x7f, "5.4.1" };
	u8 x[4096] = { 0 };

	check_failure(input_memory(x), 0, -EINVAL, "/boot/vmlinuz: is no Linux kernel but something else");
	check_failure(input_memory(x), sizeof(x), -EINVAL, "/boot/vmlinuz: is no Linux kernel but something else");
	memcpy(x, "MZ", 2);
	check_failure(input_memory(x), sizeof(x), -EINVAL, "/boot/vmlinuz: is no Linux kernel but an EFI program");
	memcpy(x + 56, "ARM\x64", 4);
	check_failure(input_memory(x), sizeof(x), -EINVAL,
	              "/boot/vmlinuz: is no Linux kernel but something without a kernel's version in it");
	memset(x, 0, sizeof(x));
	memcpy(x,
	       "\x7f"
	       "ELF\2\1\1",
	       7);
	check_failure(input_memory(x), sizeof(x), -EINVAL,
	              "/boot/vmlinuz: is no Linux kernel but a program (ELF) without a kernel's version in it");
	memcpy(x, "\x27\x05\x19\x56", 4);
	check_failure(input_memory(x), sizeof(x), -ENOTSUP,
	              "/boot/vmlinuz: is a kernel for U-Boot (uImage), which is not supported");
	memset(x, 0, 4);
	memcpy(x + 0x24, "\x18\x28\x6f\x01", 4);
	check_failure(input_memory(x), sizeof(x), -ENOTSUP,
	              "/boot/vmlinuz: is a Linux kernel for 32-bit ARM, which is not supported");

	if (!sh(": >config") || !make_vmlinux(ELF_64, "5.4.1"))
		return;
	AUTO_BUF struct buf b = make_bzimage(&packers[0], &setup);
	AUTO_BUF struct buf said = { 0 };
	u64 end = b.len - strlen("and some more") - 4;

	check_failure(input_memory(b.s), 3071, -ENODATA,
	              "/boot/vmlinuz: is cut short: has 3071 bytes, and its setup has 3072");
	buf_addf(&said, "/boot/vmlinuz: is cut short: has %llu bytes, and its kernel ends at %llu",
	         (unsigned long long)end - 1, (unsigned long long)end);
	check_failure(input_memory(b.s), end - 1, -ENODATA, said.s);
}

/* Of a packed part that cannot be unpacked the header is known all the same. */
TEST(damaged_inside)
{
	static const struct setup setup = { 0x20f, 0x7f, "5.4.1" };
	struct kernel k;

	if (!sh(": >config") || !make_vmlinux(ELF_64, "5.4.1"))
		return;
	AUTO_BUF struct buf b = make_bzimage(&packers[0], &setup);

	memset(b.s + b.len / 2, 0xff, 1000);
	if (read_good(&b, &k)) {
		CHECK_STR(k.version, "5.4.1");
		CHECK(!k.config);
		kernel_free(&k);
	}
	memset(b.s + 6 * 512 + 700, 0, 4); /* no compression that is known */
	if (read_good(&b, &k))
		kernel_free(&k);
}

static int no_reading(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct buf *b = ctx;

	if (off >= 4096)
		return fail(e, -EIO, "the CD drive says no");
	memcpy(buf, b->s + off, len);
	return 0;
}

TEST(reading_fails)
{
	static const struct setup setup = { 0x20f, 0x7f, "5.4.1" };

	if (!sh(": >config") || !make_vmlinux(ELF_64, "5.4.1"))
		return;
	AUTO_BUF struct buf b = make_bzimage(&packers[0], &setup);
	struct input in = { .read = no_reading, .ctx = &b };
	AUTO_ERR struct err e = { 0 };
	struct kernel k;
	int r = kernel_read(in, b.len, "/boot/vmlinuz", &k, &e);

	CHECK_U64((u64)-r, EIO);
	CHECK(e.text && strncmp(e.text, "/boot/vmlinuz: ", 15) == 0 && strstr(e.text, "the CD drive says no"));
	interrupted = 1;
	check_failure(input_memory(b.s), b.len, -EINTR, "/boot/vmlinuz: interrupted");
	interrupted = 0;
}

TEST(versions_that_are_paths)
{
	static const char *const versions[] = { "../../etc", "5.4/x", "", "x86", "-5", "5.4\001" };
	struct kernel k;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct setup setup = { 0x203, 0, versions[i] };
		AUTO_BUF struct buf b = { 0 };

		if (!sh("echo x >vmlinux"))
			return;
		b = make_bzimage(&packers[0], &setup);
		if (read_good(&b, &k)) {
			CHECK(!k.version);
			kernel_free(&k);
		}
	}
}

TEST(comparing_versions)
{
	struct kernel k = { .version = (char *)"4.9.0-own" };

	CHECK(kernel_is_at_least(&k, 4, 9) && kernel_is_at_least(&k, 4, 0) && kernel_is_at_least(&k, 3, 18));
	CHECK(!kernel_is_at_least(&k, 4, 10) && !kernel_is_at_least(&k, 5, 0));
	k.version = (char *)"5";
	CHECK(!kernel_is_at_least(&k, 1, 0));
	k.version = NULL;
	CHECK(!kernel_is_at_least(&k, 1, 0));
}

/* ---- a configuration beside it */

TEST(configurations_beside_it)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *dir = sandbox_path("tree");
	AUTO_SOURCE struct source *tree = NULL;
	struct buf b = { 0 };
	struct image *im;
	struct kernel k = { .version = (char *)"5.4.1" };

	if (!sh(make_config) ||
	    !sh("rm -rf tree image && mkdir -p tree/boot image/usr/lib/modules/5.4.1 && ln -s usr/lib image/lib && "
	        "echo 'this is none' >tree/boot/config-5.4.1 && cp config image/usr/lib/modules/5.4.1/ && "
	        "mksquashfs image x.sfs -noappend -quiet -no-progress -processors 2 >/dev/null") ||
	    !CHECK_OK(source_open(dir, &tree, &e), &e))
		return;
	im = open_good("x.sfs", &b);
	struct image_stack s = { &im, 1 };

	CHECK_OK(kernel_look_for_config(&k, tree, NULL, &e), &e);
	CHECK(!k.config);
	CHECK_OK(kernel_look_for_config(&k, tree, &s, &e), &e);
	check_config(&k, "/lib/modules/5.4.1/config");
	k.version = NULL;
	kernel_free(&k);
	image_close(im);
	buf_free(&b);
}

/* ---- a real one */

static struct source *small_iso(void)
{
	FILE *p = popen("tests/iso/small.sh 2>/dev/null | tail -n 1", "r");
	AUTO_ERR struct err e = { 0 };
	struct source *s = NULL;
	char path[4096] = "";

	if (p && fgets(path, sizeof(path), p))
		path[strcspn(path, "\n")] = '\0';
	if (!p || pclose(p) != 0 || !*path)
		test_skip("tests/iso/small.sh makes no ISO");
	CHECK_OK(source_open(path, &s, &e), &e);
	return s;
}

/* When the header does not say which version it is, what it unpacks does. */
static void check_same_inside(const struct node *n, const char *version)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *data = NULL;
	struct kernel k;

	if (!CHECK_OK(node_load(n, 64 * MIB, &data, NULL, &e), &e))
		return;
	put_le16((u8 *)data + 0x20e, 0);
	put_le16((u8 *)data + 0x206, 0x20b);
	if (CHECK_OK(kernel_read(input_memory(data), n->size, "/live/vmlinuz", &k, &e), &e)) {
		CHECK_STR(k.version, version);
		CHECK_U64(k.bits, 64);
		kernel_free(&k);
	}
}

TEST(debians_kernel)
{
	AUTO_SOURCE struct source *s = small_iso();
	const struct node *n = s ? source_find(s, "/live/vmlinuz") : NULL;
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf name = { 0 };
	struct kernel k = { 0 };

	if (!n || !CHECK_OK(kernel_read(node_input(n), n->size, "/live/vmlinuz", &k, &e), &e))
		return;
	/* Its second name has its version. */
	buf_addf(&name, "/live/vmlinuz-%s", k.version);
	CHECK(source_find(s, name.s) != NULL);
	CHECK_STR(k.format, "bzImage");
	CHECK_U64(k.bits, 64);
	CHECK(k.is_x86 && k.is_relocatable && !k.config);
	CHECK(kernel_is_at_least(&k, 6, 1));
	check_same_inside(n, k.version);
	kernel_free(&k);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
