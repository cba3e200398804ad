/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Our own initrd, judged by cpio, by the compressors, and by the reader that follows the kernel's rules (initrd.h).
 */
#include "persist/own_initrd.h"
#include "src/source/initrd.h"
#include "tests/unit/kernel_case.h"

/* Enough of a program for the checks. */
static const u8 program[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0 };
static const u8 program_32[64] = { 0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0 };

#define CONFIG                                                                                                         \
	"CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_CRYPTO_CRC32C=y\nCONFIG_TMPFS=y\nCONFIG_PROC_FS=y\n"     \
	"CONFIG_SYSFS=y\nCONFIG_USB_XHCI_HCD=y\nCONFIG_USB_STORAGE=y\nCONFIG_BLK_DEV_SD=y\nCONFIG_EXT4_FS=y\n"         \
	"CONFIG_BLK_DEV_LOOP=y\nCONFIG_SQUASHFS=y\nCONFIG_SQUASHFS_ZLIB=y\nCONFIG_OVERLAY_FS=y\nCONFIG_VFAT_FS=y\n"    \
	"CONFIG_NLS_CODEPAGE_437=y\nCONFIG_NLS_ASCII=y\n"

struct asked {
	struct own_initrd rd;
	struct kernel k;
	struct source *source;
	struct buf bytes[3];
	struct image *im[3];
	struct own_initrd_image image[3];
	struct own_initrd_request q;
};

/* A kernel that has all built in, and no images yet. */
static void start(struct asked *a)
{
	*a = (struct asked){ 0 };
	a->k = (struct kernel){ .name = xstrdup("/boot/vmlinuz"), .format = "bzImage", .bits = 64, .is_x86 = true };
	a->k.version = xstrdup("5.4.1");
	CHECK(kernel_set_config(&a->k, CONFIG, "/boot/vmlinuz"));
	a->q = (struct own_initrd_request){ .title = "Own System",
		                            .kernel = &a->k,
		                            .image = a->image,
		                            .init = program,
		                            .init_len = sizeof(program),
		                            .mtime = 1700000000 };
}

static void end(struct asked *a)
{
	own_initrd_free(&a->rd);
	kernel_free(&a->k);
	source_free(a->source);
	for (size_t i = 0; i < 3; i++) {
		image_close(a->im[i]);
		buf_free(&a->bytes[i]);
	}
}

/* A directory of the sandbox as one more image, "/live/DIR.sfs". */
static bool use_image(struct asked *a, const char *dir)
{
	AUTO_BUF struct buf command = { 0 }, name = { 0 };
	size_t i = a->q.n_images++;
	static char paths[3][40];

	buf_addf(&command, "mksquashfs %s %s.sfs -noappend -quiet -no-progress -processors 2 -all-root >/dev/null", dir,
	         dir);
	buf_addf(&name, "%s.sfs", dir);
	if (!sh(command.s))
		return false;
	a->im[i] = open_good(name.s, &a->bytes[i]);
	if (!a->im[i])
		return false;
	snprintf(paths[i], sizeof(paths[i]), "/live/%s", name.s);
	a->image[i] = (struct own_initrd_image){ paths[i], *image_get_kind(a->im[i]), a->im[i] };
	return true;
}

static bool use_tree(struct asked *a, const char *dir)
{
	AUTO_FREE char *path = sandbox_path(dir);
	AUTO_ERR struct err e = { 0 };

	if (!CHECK_OK(source_open(path, &a->source, &e), &e))
		return false;
	a->q.source = a->source;
	return true;
}

static bool build(struct asked *a)
{
	AUTO_ERR struct err e = { 0 };

	own_initrd_free(&a->rd);
	return CHECK_OK(own_initrd_build(&a->q, &a->rd, &e), &e);
}

static void check_refused(struct asked *a, int errno_wanted, const char *sentence)
{
	AUTO_ERR struct err e = { 0 };
	int r = own_initrd_build(&a->q, &a->rd, &e);

	CHECK_U64((u64)-r, (u64)-errno_wanted);
	CHECK(e.code == EXIT_SOURCE && !a->rd.data);
	CHECK_STR(e.text, sentence);
}

static void save(const struct asked *a, const char *name)
{
	AUTO_FREE char *path = sandbox_path(name);
	FILE *f = fopen(path, "we");

	CHECK(f && fwrite(a->rd.data, 1, a->rd.len, f) == a->rd.len);
	if (f)
		fclose(f);
}

/* What cpio lists: mode, owner, size or device, time, path and target. */
static void check_listing(const struct asked *a, const char *unpack, const char *wanted)
{
	AUTO_BUF struct buf command = { 0 }, got = { 0 };

	save(a, "x.initrd");
	buf_addf(&command,
	         "%s <x.initrd | TZ=UTC LC_ALL=C cpio -itvn --quiet | sed -E 's/^(.{10}) +[0-9]+/\\1/; s/ +/ /g' >list",
	         unpack);
	if (!sh(command.s))
		return;
	got = load("list");
	CHECK_STR(got.s, wanted);
}

#define EMPTY_DIRS                                                                                                     \
	"drwxr-xr-x 0 0 0 Nov 14 2023 dev\n"                                                                           \
	"crw------- 0 0 5, 1 Nov 14 2023 dev/console\n"                                                                \
	"crw-rw-rw- 0 0 1, 3 Nov 14 2023 dev/null\n"

#define AFTER_EXTRA                                                                                                    \
	"-rwxr-xr-x 0 0 64 Nov 14 2023 init\n"                                                                         \
	"-rw-r--r-- 0 0 97 Nov 14 2023 livestick.conf\n"                                                               \
	"drwxr-xr-x 0 0 0 Nov 14 2023 mnt\n"                                                                           \
	"drwxr-xr-x 0 0 0 Nov 14 2023 modules\n"                                                                       \
	"drwxr-xr-x 0 0 0 Nov 14 2023 proc\n"                                                                          \
	"drwxr-xr-x 0 0 0 Nov 14 2023 run\n"                                                                           \
	"drwxr-xr-x 0 0 0 Nov 14 2023 sys\n"                                                                           \
	"drwxrwxrwt 0 0 0 Nov 14 2023 tmp\n"

static const char make_root[] = "rm -rf root && mkdir -p root/sbin && echo '#!/bin/sh' >root/sbin/init && "
                                "chmod 755 root/sbin/init";

static const char *text_of(const struct initrd *rd, const char *path)
{
	const struct initrd_entry *x = initrd_find(rd, path);

	return x && x->text ? x->text : "(none)";
}

static struct initrd *reread(const struct asked *a)
{
	static const char *const all[] = { "*", NULL };
	AUTO_ERR struct err e = { 0 };
	struct initrd *rd = NULL;

	CHECK_OK(initrd_open(input_memory(a->rd.data), a->rd.len, "x", all, &rd, &e), &e);
	return rd;
}

TEST(what_is_in_it)
{
	struct asked a;

	start(&a);
	if (sh(make_root) && use_image(&a, "root") && build(&a)) {
		AUTO_INITRD struct initrd *rd = reread(&a);

		CHECK_STR(a.rd.compression, "none");
		CHECK_STR(a.rd.init, "/sbin/init");
		CHECK(a.rd.union_ == OWN_OVERLAY && a.rd.has_vfat && a.rd.n_warnings == 0);
		check_listing(&a, "cat", EMPTY_DIRS AFTER_EXTRA);
		CHECK_STR(text_of(rd, "livestick.conf"), "livestick-initrd 1\nsystem Own System\ninit /sbin/init\n"
		                                         "union overlay\nimage /live/root.sfs squashfs\n");
		CHECK(rd && memcmp(text_of(rd, "init"), program, 4) == 0);
	}
	end(&a);
}

TEST(each_compression_that_the_kernel_has)
{
	static const struct {
		const char *config, *name, *unpack;
	} kinds[] = {
		{ "CONFIG_RD_GZIP=y\nCONFIG_RD_XZ=y\n", "gzip", "gzip -dc" },
		{ "CONFIG_RD_ZSTD=y\nCONFIG_RD_XZ=y\n", "zstd", "zstd -dqc" },
		{ "CONFIG_RD_XZ=y\nCONFIG_RD_LZ4=y\n", "xz", "xz -dc" },
		{ "CONFIG_RD_LZ4=y\nCONFIG_RD_BZIP2=y\n", "none", "cat" },
	};
	struct asked a;

	start(&a);
	if (!sh(make_root) || !use_image(&a, "root"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		AUTO_BUF struct buf config = { 0 };
		AUTO_FREE char *before = NULL;
		size_t len;

		buf_addf(&config, "%s%s", CONFIG, kinds[i].config);
		kernel_set_config(&a.k, config.s, "x");
		if (!build(&a))
			continue;
		CHECK_STR(a.rd.compression, kinds[i].name);
		check_listing(&a, kinds[i].unpack, EMPTY_DIRS AFTER_EXTRA);
		initrd_free(reread(&a));
		/* The same again, byte for byte. */
		before = TAKE(a.rd.data);
		len = a.rd.len;
		sh("sleep 1.1");
		if (build(&a))
			CHECK(len == a.rd.len && memcmp(before, a.rd.data, len) == 0);
		/* All that the kernel's xz can check. */
		if (strcmp(kinds[i].name, "xz") == 0) {
			AUTO_BUF struct buf said = { 0 };

			sh("xz --robot -l x.initrd | awk '$1 == \"file\" { print $7 }' >said");
			said = load("said");
			CHECK_STR(said.s, "CRC32\n");
		}
	}
	end(&a);
}

/* ---- the system's init */

static void check_init(const char *make, const char *wanted)
{
	AUTO_FREE char *over = sandbox_path("over");
	struct asked a;

	start(&a);
	if (sh(make) && use_image(&a, "root") && (access(over, F_OK) < 0 || use_image(&a, "over")) && build(&a))
		CHECK_STR(a.rd.init, wanted);
	end(&a);
}

TEST(which_init)
{
	struct asked a;

	check_init("rm -rf root over && mkdir -p root/sbin root/bin root/lib/systemd && ln -s /lib/systemd/systemd "
	           "root/sbin/init && "
	           "cp /bin/true root/lib/systemd/systemd && cp /bin/true root/init",
	           "/sbin/init");
	check_init("rm root/sbin/init && ln -s nowhere root/sbin/init", "/lib/systemd/systemd");
	check_init("chmod 644 root/lib/systemd/systemd", "/init");
	check_init(
	    "mkdir root/bin/init && mkdir -p root/usr/sbin && cp /bin/true root/usr/sbin/init && rm -r root/sbin && "
	    "ln -s usr/sbin root/sbin",
	    "/sbin/init");
	/* A link in one image to a program in another. */
	check_init("rm -rf root && mkdir -p root/sbin over/opt && ln -s ../opt/my-init root/sbin/init && "
	           "cp /bin/true over/opt/my-init",
	           "/sbin/init");

	start(&a);
	if (sh("rm -rf root over && mkdir -p root/sbin && ln -s init root/sbin/init") && use_image(&a, "root"))
		check_refused(&a, -EINVAL, "root.sfs: has no init (/sbin/init and the like)");
	end(&a);
}

/* ---- what the medium adds */

static const char make_medium[] =
    "rm -rf medium etc home opt && mkdir -p medium/live medium/live/rootcopy/etc/init.d medium/live/rootcopy/bin && "
    "mkdir -p etc/sub home/user && echo root >etc/passwd && chmod 640 etc/passwd && echo old >etc/both && "
    "ln -s passwd etc/link && ln etc/passwd etc/sub/hard && mkfifo etc/fifo && chmod 4755 etc/both && "
    "printf x >etc/$(printf '\\303\\244\\377') && echo u >home/user/file && find etc home -exec touch -h -d "
    "@1600000000 {} + && "
    "tar -c --owner=7 --group=8 --numeric-owner --sort=name etc | bzip2 >medium/etc.tar.bz2 && "
    "(cd home && tar -c --owner=1000 --group=100 --numeric-owner --sort=name .) | zstd -q >medium/live/home.tar.zst && "
    "echo new >medium/live/rootcopy/etc/both && printf '#!/bin/sh\\n' >medium/live/rootcopy/etc/init.d/start && "
    "ln -s ../etc/both medium/live/rootcopy/bin/both && cp root.sfs medium/live/ && "
    "find medium/live/rootcopy -exec touch -h -d @1500000000 {} +";

TEST(what_the_medium_adds)
{
	struct asked a;

	start(&a);
	if (sh(make_root) && use_image(&a, "root") && sh(make_medium) && use_tree(&a, "medium") && build(&a)) {
		AUTO_INITRD struct initrd *rd = reread(&a);

		check_listing(&a, "cat",
		              EMPTY_DIRS "drwxr-xr-x 0 0 0 Nov 14 2023 extra\n"
		                         "drwxr-xr-x 0 0 0 Jul 14 2017 extra/bin\n"
		                         "lrwxrwxrwx 0 0 11 Jul 14 2017 extra/bin/both -> ../etc/both\n"
		                         "drwxr-xr-x 0 0 0 Jul 14 2017 extra/etc\n"
		                         "-rw-r--r-- 0 0 4 Jul 14 2017 extra/etc/both\n"
		                         "drwxr-xr-x 0 0 0 Jul 14 2017 extra/etc/init.d\n"
		                         "-rwxr-xr-x 0 0 10 Jul 14 2017 extra/etc/init.d/start\n"
		                         "lrwxrwxrwx 7 8 6 Sep 13 2020 extra/etc/link -> passwd\n"
		                         "-rw-r----- 7 8 5 Sep 13 2020 extra/etc/passwd\n"
		                         "drwxr-xr-x 7 8 0 Sep 13 2020 extra/etc/sub\n"
		                         "-rw-r----- 7 8 5 Sep 13 2020 extra/etc/sub/hard\n"
		                         "-rw-r--r-- 7 8 1 Sep 13 2020 extra/etc/\303\244\377\n"
		                         "drwxr-xr-x 0 0 0 Nov 14 2023 extra/home\n"
		                         "drwxr-xr-x 1000 100 0 Sep 13 2020 extra/home/user\n"
		                         "-rw-r--r-- 1000 100 2 Sep 13 2020 extra/home/user/file\n" AFTER_EXTRA);
		CHECK_STR(text_of(rd, "extra/etc/both"), "new\n");
		CHECK_STR(text_of(rd, "extra/etc/sub/hard"), "root\n");
		CHECK_U64(a.rd.n_warnings, 1);
		CHECK_STR(a.rd.n_warnings ? a.rd.warnings[0] : "",
		          "/etc.tar.bz2: 1 devices, pipes or sockets in it are left out");
	}
	end(&a);
}

/* Each form of an archive, and each kind of tar. */
TEST(each_form_of_archive)
{
	static const char *const forms[] = {
		"tar -c etc >medium/etc.tar",
		"tar -c etc | gzip >medium/etc.tar.gz",
		"(tar -c etc/a | bzip2; tar -c etc/b | bzip2) >medium/etc.tar.bz2", /* two streams: as one */
		"tar -c etc | xz >medium/etc.tar.xz",
		"tar -c etc | zstd -q >medium/etc.tar.zst",
		"tar --format=pax -c etc >medium/etc.tar",
		"tar --format=ustar -c ./etc >medium/etc.tar",
		"tar --format=v7 -c etc >medium/etc.tar",
		"tar -c -C etc a b \"$(printf '\\303\\244')\" >medium/etc.tar",
		"tar -S -c etc >medium/etc.tar",
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		AUTO_BUF struct buf command = { 0 };
		struct asked a;

		start(&a);
		buf_addf(&command,
		         "%s && rm -rf medium etc && mkdir -p medium etc/b && echo a >etc/a && echo b >etc/b/b && "
		         "echo 1 >etc/$(printf '\\303\\244') && %s",
		         make_root, forms[i]);
		if (sh(command.s) && use_image(&a, "root") && use_tree(&a, "medium") && build(&a)) {
			AUTO_INITRD struct initrd *rd = reread(&a);

			if (i != 2) {
				CHECK_STR(text_of(rd, "extra/etc/b/b"), "b\n");
				CHECK_STR(text_of(rd, "extra/etc/\303\244"), "1\n");
			}
			CHECK_STR(text_of(rd, "extra/etc/a"), "a\n");
		}
		end(&a);
	}
}

static void check_medium(const char *make, int errno_wanted, const char *sentence)
{
	AUTO_BUF struct buf command = { 0 };
	struct asked a;

	start(&a);
	buf_addf(&command, "%s && rm -rf medium etc && mkdir -p medium/live etc/sub && echo a >etc/a && %s", make_root,
	         make);
	if (sh(command.s) && use_image(&a, "root") && use_tree(&a, "medium"))
		check_refused(&a, errno_wanted, sentence);
	end(&a);
}

TEST(archives_that_somebody_made_up)
{
	check_medium("tar -cP --transform='s,^etc/a,/etc/a,' etc >medium/etc.tar", -EINVAL,
	             "/etc.tar: has a name that leads elsewhere: /etc/a");
	check_medium("tar -cP --transform='s,^etc/a,etc/../../init,' etc >medium/etc.tar", -EINVAL,
	             "/etc.tar: has a name that leads elsewhere: etc/../../init");
	check_medium(
	    "tar -cP --transform=\"s,^etc/a,etc/$(printf 'n%.0s' $(seq 1 256)),\" etc | gzip >medium/etc.tar.gz && "
	    "rm -f x",
	    -EINVAL,
	    "/etc.tar.gz: has a name that leads elsewhere: "
	    "etc/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
	check_medium("ln -s / etc/out && mkdir etc/in && echo x >etc/in/init && "
	             "tar -cP --transform='s,^etc/in/,etc/out/,' etc/out etc/in/init >medium/etc.tar",
	             -EINVAL, "extra/etc/out is not a directory, and has extra/etc/out/init in it");
	check_medium("truncate -s 300M etc/large && tar -S -c etc | gzip >medium/etc.tar.gz", -EFBIG,
	             "/etc.tar.gz: what comes over the system's root is more than 256 MiB or 100000 files");
	check_medium(
	    "truncate -s 200M medium/live/large && mkdir medium/rootcopy && mv medium/live/large medium/rootcopy/1 && "
	    "truncate -s 60M medium/rootcopy/2",
	    -EFBIG, "rootcopy: what comes over the system's root is more than 256 MiB or 100000 files");
	check_medium("echo nothing of the kind >medium/etc.tar.bz2", -EINVAL,
	             "/etc.tar.bz2: is no tar archive, or damaged: Unrecognized archive format");
	check_medium("head -c 30000 /dev/urandom >etc/noise && tar -c etc | gzip | head -c 20000 >medium/etc.tar.gz",
	             -EINVAL, "/etc.tar.gz: is no tar archive, or damaged: truncated gzip input");
	check_medium("ln etc/a etc/b && tar -c --transform='s,^etc/a$,etc/c,H' etc/a etc/b >medium/etc.tar && "
	             "sed -i 's,etc/a,etc/d,' medium/etc.tar",
	             -EINVAL, "/etc.tar: is no tar archive, or damaged: Damaged tar archive");
}

TEST(many_files_in_an_archive)
{
	check_medium("(head -c 512 /dev/zero; true) >zero && printf x >etc/x && tar -c etc/x | head -c 512 >head && "
	             "for i in 1 2 3 4 5 6 7 8 9 10; do cat head; head -c 512 /dev/zero | tr '\\0' x; done >ten && "
	             "for i in 1 2 3 4 5 6 7 8 9 10; do cat ten ten ten ten ten ten ten ten ten ten; done >thousand && "
	             "for i in $(seq 1 101); do cat thousand; done | gzip -1 >medium/etc.tar.gz",
	             -EFBIG, "/etc.tar.gz: what comes over the system's root is more than 256 MiB or 100000 files");
}

/* ---- refusals */

TEST(kernels_that_cannot_run_it)
{
	struct asked a;

	start(&a);
	if (!sh(make_root) || !use_image(&a, "root"))
		return;
	a.k.bits = 32;
	check_refused(&a, -EINVAL, "/boot/vmlinuz: the kernel 5.4.1 is for 32 bits, and this livestick is for 64");
	a.k.bits = 64;
	a.q.init = program_32;
	check_refused(&a, -EINVAL, "/boot/vmlinuz: the kernel 5.4.1 is for 64 bits, and this livestick is for 32");
	kernel_set_config(&a.k, CONFIG "CONFIG_IA32_EMULATION=y\n", "x");
	build(&a);
	a.k.is_x86 = false;
	own_initrd_free(&a.rd);
	check_refused(&a, -EINVAL,
	              "/boot/vmlinuz: the kernel 5.4.1 is for another kind of processor than this livestick");
	end(&a);
}

TEST(images_that_cannot_be_used)
{
	struct asked a;

	start(&a);
	check_refused(&a, -EINVAL, "there are 0 system images, and our own initrd takes 1 to 128");
	a.image[0] = (struct own_initrd_image){ "/live/x.cloop", { .type = "cloop" }, NULL };
	a.q.n_images = 1;
	check_refused(&a, -ENOTSUP,
	              "/live/x.cloop: is a system image of the kind cloop, which our own initrd cannot use");
	a.image[0].kind.type = NULL;
	check_refused(&a, -ENOTSUP, "/live/x.cloop: is no system image, which our own initrd cannot use");
	/* One that cannot be looked into is taken as it is. */
	kernel_set_config(&a.k, CONFIG "CONFIG_EROFS_FS=y\n", "x");
	a.image[0] = (struct own_initrd_image){ "/live/system one.img", { .type = "erofs" }, NULL };
	a.q.title = "Zwei\nZeilen\tund \303\244";
	if (build(&a)) {
		AUTO_INITRD struct initrd *rd = reread(&a);

		CHECK_STR(text_of(rd, "livestick.conf"),
		          "livestick-initrd 1\nsystem Zwei Zeilen und \303\244\ninit /sbin/init\nunion overlay\n"
		          "image /live/system one.img erofs\n");
		CHECK_U64(a.rd.n_warnings, 1);
		CHECK_STR(
		    a.rd.n_warnings ? a.rd.warnings[0] : "",
		    "it is not known which program starts the system (an image cannot be looked into): /sbin/init is "
		    "taken");
	}
	end(&a);
}

TEST(drivers_that_are_missing)
{
	struct asked a;

	start(&a);
	if (sh(make_root) && use_image(&a, "root")) {
		kernel_set_config(&a.k, CONFIG "CONFIG_OVERLAY_FS=n\n", "x");
		build(&a); /* the first one counts */
		own_initrd_free(&a.rd);
		a.image[0].kind.compressor = "zstd";
		check_refused(&a, -EINVAL,
		              "the kernel 5.4.1 has no squashfs with zstd built in, and there are no modules for it "
		              "(lib/modules/5.4.1)");
		/* Nobody knows: a warning. */
		free(TAKE(a.k.config));
		if (build(&a)) {
			CHECK_U64(a.rd.n_warnings, 1);
			CHECK(strstr(a.rd.warnings[0], "it cannot be told whether the kernel 5.4.1 has "));
			CHECK_STR(a.rd.compression, "none");
		}
	}
	end(&a);
}

/* ---- a real one: Debian's kernel, its modules out of its initrd, a squashfs */

TEST(of_a_real_medium)
{
	FILE *p = popen("tests/iso/small.sh 2>/dev/null | tail -n 1", "r");
	AUTO_ERR struct err e = { 0 };
	const struct node *kernel, *initrd, *fs;
	char path[4096] = "";
	struct asked a;

	if (p && fgets(path, sizeof(path), p))
		path[strcspn(path, "\n")] = '\0';
	if (!p || pclose(p) != 0 || !*path)
		test_skip("tests/iso/small.sh makes no ISO");
	start(&a);
	kernel_free(&a.k);
	if (!CHECK_OK(source_open(path, &a.source, &e), &e))
		return;
	kernel = source_find(a.source, "/live/vmlinuz");
	initrd = source_find(a.source, "/live/initrd.img");
	fs = source_find(a.source, "/live/filesystem.squashfs");
	struct own_initrd_file f = { node_input(initrd), initrd->size, "/live/initrd.img" };

	if (CHECK_OK(kernel_read(node_input(kernel), kernel->size, "/live/vmlinuz", &a.k, &e), &e) &&
	    CHECK_OK(image_open(node_input(fs), fs->size, "/live/filesystem.squashfs", &a.im[0], &e), &e)) {
		a.image[0] =
		    (struct own_initrd_image){ "/live/filesystem.squashfs", *image_get_kind(a.im[0]), a.im[0] };
		a.q.n_images = 1;
		a.q.source = a.source;
		a.q.initrds = &f;
		a.q.n_initrds = 1;
		if (build(&a)) {
			AUTO_INITRD struct initrd *rd = reread(&a);
			const struct initrd_entry *ext4 = initrd_find(rd, "modules/ext4.ko");
			const char *conf = text_of(rd, "livestick.conf");
			size_t n = 0;

			CHECK_STR(a.rd.compression, "none"); /* its own is lz4, which we do not make */
			CHECK(a.rd.has_vfat && a.rd.union_ == OWN_OVERLAY && a.rd.n_warnings == 0);
			CHECK(ext4 && ext4->size > MIB);
			CHECK(strstr(conf, "\nmodule jbd2\n") < strstr(conf, "\nmodule ext4\n"));
			CHECK(strstr(conf, "\nimage /live/filesystem.squashfs squashfs\n"));
			for (const char *m = conf; (m = strstr(m, "\nmodule ")); n++) {
				AUTO_BUF struct buf ko = { 0 };

				m += strlen("\nmodule ");
				buf_addf(&ko, "modules/%.*s.ko", (int)strcspn(m, "\n"), m);
				m--;
				if (!initrd_find(rd, ko.s))
					test_fail(__FILE__, __LINE__, "%s is not there", ko.s);
			}
			for (const struct initrd_entry *x = NULL; (x = initrd_match(rd, "modules/*", x));)
				n--;
			CHECK_U64(n, 0);
			/* Programs of the distribution see an initrd. */
			save(&a, "real.initrd");
			sh("lsinitramfs real.initrd | grep -x modules/ext4.ko");
		}
	}
	end(&a);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
