/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which modules our own initrd takes: of Debian's kernel, compared with modprobe; of made-up ones, with exact
 * sentences.
 */
#include <glob.h>

#include "persist/modinfo.h"
#include "persist/own_modules.h"
#include "persist/shelf.h"
#include "tests/unit/kernel_case.h"

/* ---- Debian's kernel package, unpacked once */

static char real_version[80];

/* Its modules lie in "root", its configuration in "root/boot". The rest of them is not wanted by anybody here. */
static const char unpack_real[] =
    "rm -rf root && mkdir root && dpkg-deb --fsys-tarfile \"$deb\" | tar -x -C root --wildcards "
    "'./boot/config-*' './lib/modules/*/modules.*' './lib/modules/*/kernel/fs/*' './lib/modules/*/kernel/lib/*' "
    "'./lib/modules/*/kernel/crypto/*' './lib/modules/*/kernel/arch/*' './lib/modules/*/kernel/block/*' "
    "'./lib/modules/*/kernel/drivers/usb/*' './lib/modules/*/kernel/drivers/scsi/*' "
    "'./lib/modules/*/kernel/drivers/hid/*' './lib/modules/*/kernel/drivers/block/*' "
    "'./lib/modules/*/kernel/drivers/nvme/*' './lib/modules/*/kernel/drivers/ata/*' "
    "'./lib/modules/*/kernel/drivers/md/*' './lib/modules/*/kernel/drivers/mmc/*' "
    "'./lib/modules/*/kernel/drivers/virtio/*' './lib/modules/*/kernel/drivers/cdrom/*' "
    "'./lib/modules/*/kernel/drivers/misc/*' './lib/modules/*/kernel/drivers/dax/*' && "
    "(cd root/lib/modules/*/kernel/fs && rm -r xfs btrfs ocfs2 ceph nfs nfsd smb gfs2 f2fs) && "
    "depmod -b root \"$v\"";

static bool has_real(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	AUTO_BUF struct buf pattern = { 0 }, command = { 0 };
	static int state; /* 1: there, -1: not */
	glob_t g = { 0 };

	buf_addf(&pattern, "%s%s/livestick/debs/linux-image-[0-9]*.deb",
	         cache  ? cache
	         : home ? home
	                : "",
	         cache ? "" : "/.cache");
	if (state == 0 && glob(pattern.s, 0, NULL, &g) == 0 && has_program("depmod")) {
		const char *deb = g.gl_pathv[g.gl_pathc - 1], *name = strrchr(deb, '/') + strlen("/linux-image-");

		snprintf(real_version, sizeof(real_version), "%.*s", (int)strcspn(name, "_"), name);
		buf_addf(&command, "deb='%s' v='%s' && %s", deb, real_version, unpack_real);
		state = sh(command.s) ? 1 : -1;
	}
	globfree(&g);
	return state == 1;
}

/* ---- asking */

struct asked {
	struct own_modules m;
	struct kernel k;
	struct buf bytes;
	struct image *image;
	struct image_stack stack;
	struct image_kind kind[4];
	struct own_modules_request q;
};

static void start(struct asked *a, const char *version)
{
	*a = (struct asked){ 0 };
	a->k.name = xstrdup("/boot/vmlinuz");
	a->k.format = "bzImage";
	a->k.version = version ? xstrdup(version) : NULL;
	a->k.bits = 64;
	a->kind[0] = (struct image_kind){ .type = "squashfs", .compressor = "xz", .can_open = true };
	a->q = (struct own_modules_request){ .kernel = &a->k, .kinds = a->kind, .n_kinds = 1 };
}

/* The directory of the sandbox as a system image. */
static bool use_image(struct asked *a, const char *dir)
{
	AUTO_BUF struct buf command = { 0 };

	buf_addf(&command, "mksquashfs %s x.sfs -noappend -quiet -no-progress -processors 2 -comp lz4 >/dev/null", dir);
	if (!sh(command.s))
		return false;
	a->image = open_good("x.sfs", &a->bytes);
	a->stack = (struct image_stack){ &a->image, 1 };
	a->q.images = a->stack;
	return a->image != NULL;
}

static bool choose(struct asked *a)
{
	AUTO_ERR struct err e = { 0 };

	own_modules_free(&a->m);
	return CHECK_OK(own_modules_choose(&a->q, &a->m, &e), &e);
}

static void check_refused(struct asked *a, const char *sentence)
{
	AUTO_ERR struct err e = { 0 };
	int r = own_modules_choose(&a->q, &a->m, &e);

	CHECK_U64((u64)-r, EINVAL);
	CHECK(e.code == EXIT_SOURCE && !a->m.module);
	CHECK_STR(e.text, sentence);
}

static void end(struct asked *a)
{
	own_modules_free(&a->m);
	kernel_free(&a->k);
	image_close(a->image);
	buf_free(&a->bytes);
}

static const struct own_module *find(const struct asked *a, const char *name)
{
	for (size_t i = 0; i < a->m.n; i++)
		if (strcmp(a->m.module[i].name, name) == 0)
			return &a->m.module[i];
	return NULL;
}

static bool is_before(const struct asked *a, const char *first, const char *second)
{
	const struct own_module *x = find(a, first), *y = find(a, second);

	return x && y && x < y;
}

/* ---- of Debian's */

/* "insmod /path/usb-storage.ko.xz" lines of modprobe. */
static void check_modprobe(const struct asked *a, const char *module)
{
	AUTO_BUF struct buf command = { 0 }, said = { 0 };
	AUTO_FREE char *dir = sandbox_path("root");

	buf_addf(&command, "modprobe -d '%s' -S '%s' --show-depends %s >said", dir, real_version, module);
	if (!sh(command.s))
		return;
	said = load("said");
	for (char *line = said.s; line && *line;) {
		char *next = strchr(line, '\n'), *name;

		if (next)
			*next++ = '\0';
		name = strrchr(line, '/');
		if (strncmp(line, "insmod ", 7) == 0 && name) {
			*strstr(name, ".ko") = '\0';
			if (!find(a, name + 1))
				test_fail(__FILE__, __LINE__, "%s needs %s, which is not there", module, name + 1);
		}
		line = next;
	}
}

/* Each after all that modules.dep says it depends on. */
static void check_order(const struct asked *a)
{
	AUTO_BUF struct buf path = { 0 }, dep = { 0 };

	buf_addf(&path, "root/lib/modules/%s/modules.dep", real_version);
	dep = load(path.s);
	for (size_t i = 0; i < a->m.n; i++) {
		AUTO_BUF struct buf key = { 0 };
		char *line, *end_of_line;
		size_t n = 0;

		buf_addf(&key, "/%s.ko:", a->m.module[i].name);
		line = strstr(dep.s, key.s);
		if (!line) {
			test_fail(__FILE__, __LINE__, "%s is not in modules.dep", a->m.module[i].name);
			continue;
		}
		end_of_line = strchr(line, '\n');
		for (char *p = line + key.len; (p = strstr(p, ".ko")) && p < end_of_line; p += 3, n++) {
			AUTO_FREE char *name = NULL;
			char *start_of_name = p;

			while (start_of_name[-1] != '/')
				start_of_name--;
			name = xstrndup(start_of_name, (size_t)(p - start_of_name));
			if (!is_before(a, name, a->m.module[i].name))
				test_fail(__FILE__, __LINE__, "%s is not before %s", name, a->m.module[i].name);
		}
	}
}

/* The very bytes of the files. */
static void check_bytes(const struct asked *a)
{
	for (size_t i = 0; i < a->m.n; i++) {
		AUTO_BUF struct buf command = { 0 }, file = { 0 };
		const struct own_module *m = &a->m.module[i];

		buf_addf(&command, "cp $(find root/lib/modules/%s -name %s.ko) module", real_version, m->name);
		if (!sh(command.s))
			return;
		file = load("module");
		if (m->len != file.len || memcmp(m->data, file.s, file.len) != 0)
			test_fail(__FILE__, __LINE__, "%s is not what its file is", m->name);
	}
}

static const char *const wanted[] = { "xhci-pci",      "ehci-pci",   "ohci-pci",    "uhci-hcd",    "usb-storage",
	                              "uas",           "sd_mod",     "sr_mod",      "ahci",        "ata_piix",
	                              "nvme",          "virtio_pci", "virtio_blk",  "virtio_scsi", "mmc_block",
	                              "sdhci-pci",     "usbhid",     "hid-generic", "vfat",        "nls_cp437",
	                              "nls_iso8859-1", "nls_utf8",   "nls_ascii",   "ext4",        "crc32c_generic",
	                              "loop",          "squashfs",   "overlay" };

static void check_real(struct asked *a)
{
	CHECK(a->m.union_ == OWN_OVERLAY && a->m.has_vfat && !a->m.doubt);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!find(a, wanted[i]))
			test_fail(__FILE__, __LINE__, "%s is not there", wanted[i]);
		check_modprobe(a, wanted[i]);
	}
	CHECK(!find(a, "aufs") && !find(a, "dm-snapshot") && !find(a, "isofs") && !find(a, "erofs"));
	check_order(a);
	CHECK(is_before(a, "crc32c_generic", "ext4"));
	CHECK(find(a, "jbd2")->is_needed && find(a, "usbcore")->is_needed && find(a, "scsi_mod")->is_needed);
	CHECK(!find(a, "nvme")->is_needed && !find(a, "nvme-core")->is_needed);
	CHECK(find(a, "crc32c_generic")->is_needed);
	for (size_t i = 0; i < a->m.n; i++)
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(a->m.module[i].name, a->m.module[k].name) != 0);
}

TEST(debians_modules_are_what_modprobe_loads)
{
	struct asked a;

	if (!has_real())
		test_skip("no package of Debian's kernel in the cache, or no depmod");
	start(&a, real_version);
	if (use_image(&a, "root") && choose(&a)) {
		check_real(&a);
		check_bytes(&a);
	}
	/* The version is the modules' when the kernel does not tell it. */
	free(TAKE(a.k.version));
	if (a.image && choose(&a))
		check_real(&a);
	end(&a);
}

/* Only what was chosen, in another form; modules.dep says so. */
static bool make_packed(const struct asked *a, const char *command, const char *suffix)
{
	AUTO_BUF struct buf script = { 0 };

	buf_addf(&script, "rm -rf packed && d=packed/usr/lib/modules/%s r=root/lib/modules/%s && mkdir -p $d && ",
	         real_version, real_version);
	for (size_t i = 0; i < a->m.n; i++)
		buf_addf(&script, "f=$(cd $r && find . -name %s.ko) && mkdir -p $d/${f%%/*} && %s <$r/$f >$d/$f%s && ",
		         a->m.module[i].name, command, suffix);
	buf_addf(&script,
	         "sed 's/\\.ko\\>/.ko%s/g' $r/modules.dep >$d/modules.dep && cp $r/modules.builtin $r/modules.alias "
	         "$r/modules.softdep $d",
	         suffix);
	return sh(script.s);
}

TEST(modules_that_are_compressed)
{
	static const char *const forms[][2] = { { "xz --check=crc32 -1", ".xz" },
		                                { "zstd -q", ".zst" },
		                                { "gzip -n", ".gz" } };
	struct asked a;

	if (!has_real())
		test_skip("no package of Debian's kernel in the cache, or no depmod");
	start(&a, real_version);
	if (!use_image(&a, "root") || !choose(&a))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct asked p;

		start(&p, real_version);
		if (make_packed(&a, forms[i][0], forms[i][1]) && use_image(&p, "packed") && choose(&p)) {
			CHECK_U64(p.m.n, a.m.n);
			for (size_t k = 0; k < MIN(p.m.n, a.m.n); k++) {
				CHECK_STR(p.m.module[k].name, a.m.module[k].name);
				CHECK(p.m.module[k].len == a.m.module[k].len &&
				      memcmp(p.m.module[k].data, a.m.module[k].data, a.m.module[k].len) == 0);
			}
		}
		end(&p);
	}
	end(&a);
}

TEST(without_depmod_the_modules_say_it_themselves)
{
	AUTO_BUF struct buf script = { 0 };
	struct asked a;

	if (!has_real())
		test_skip("no package of Debian's kernel in the cache, or no depmod");
	start(&a, real_version);
	buf_addf(&script, "rm -rf bare && cp -al root bare && cd bare/lib/modules/* && rm modules.dep* "
	                  "modules.softdep* modules.alias*");
	if (sh(script.s) && use_image(&a, "bare") && choose(&a)) {
		CHECK(a.m.union_ == OWN_OVERLAY && a.m.has_vfat && !a.m.doubt);
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			if (!find(&a, wanted[i]))
				test_fail(__FILE__, __LINE__, "%s is not there", wanted[i]);
		check_order(&a);
		CHECK(is_before(&a, "crc32c_generic", "ext4"));
	}
	end(&a);
}

TEST(modules_of_the_initrd)
{
	FILE *p = popen("tests/iso/small.sh 2>/dev/null | tail -n 1", "r");
	AUTO_ERR struct err e = { 0 };
	AUTO_SOURCE struct source *s = NULL;
	const struct node *kernel, *initrd;
	char path[4096] = "";
	struct asked a;

	if (p && fgets(path, sizeof(path), p))
		path[strcspn(path, "\n")] = '\0';
	if (!p || pclose(p) != 0 || !*path)
		test_skip("tests/iso/small.sh makes no ISO");
	if (!CHECK_OK(source_open(path, &s, &e), &e))
		return;
	kernel = source_find(s, "/live/vmlinuz");
	initrd = source_find(s, "/live/initrd.img");
	start(&a, NULL);
	kernel_free(&a.k);
	if (CHECK_OK(kernel_read(node_input(kernel), kernel->size, "/live/vmlinuz", &a.k, &e), &e)) {
		struct own_initrd_file f = { node_input(initrd), initrd->size, "/live/initrd.img" };

		a.q.initrds = &f;
		a.q.n_initrds = 1;
		if (choose(&a)) {
			CHECK(a.m.union_ == OWN_OVERLAY && a.m.has_vfat && !a.m.doubt);
			CHECK(find(&a, "ext4") && is_before(&a, "jbd2", "ext4") &&
			      is_before(&a, "usbcore", "usb-storage"));
			CHECK(is_before(&a, "crc32c_generic", "ext4"));
			for (size_t i = 0; i < a.m.n; i++)
				CHECK(modinfo_is_elf(a.m.module[i].data, a.m.module[i].len));
			CHECK(find(&a, "ext4") && find(&a, "ext4")->len > MIB);
		}
	}
	end(&a);
}

/* ---- made-up kernels */

/* A module that says what it depends on; and what squashfs calls. */
static const char make_module[] =
    "module() { printf '.section .modinfo,\"a\"\\n.asciz \"vermagic=%s SMP\"\\n.asciz \"depends=%s\"\\n"
    ".text\\ncall xz_dec_run\\n' \"${3:-5.4.1}\" \"$2\" >m.s && "
    "as -o $d/$1.ko m.s; }; d=tree/lib/modules/5.4.1; rm -rf tree; mkdir -p $d; ";

static const char all_modules[] =
    "module scsi '' && module usb-storage scsi && module sd_mod scsi && module xhci_pci '' && "
    "module ext4 '' && module loop '' && module squashfs '' && module overlay '' && "
    "printf 'kernel/crypto/crc32c_generic.ko\\n' >$d/modules.builtin";

static bool make(const char *more)
{
	AUTO_BUF struct buf script = { 0 };

	buf_addf(&script, "%s%s && %s", make_module, all_modules, more);
	return sh(script.s);
}

static char *order_of(const struct asked *a)
{
	struct buf b = { 0 };

	buf_adds(&b, "");
	for (size_t i = 0; i < a->m.n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", a->m.module[i].name);
	return b.s;
}

static void check_chosen(struct asked *a, const char *names)
{
	AUTO_FREE char *got = choose(a) ? order_of(a) : NULL;

	CHECK_STR(got, names);
}

TEST(small_kernels)
{
	struct asked a;

	start(&a, "5.4.1");
	if (make("true") && use_image(&a, "tree")) {
		check_chosen(&a, "xhci_pci scsi usb-storage sd_mod ext4 loop squashfs overlay");
		CHECK(!a.m.has_vfat && !a.m.doubt && a.m.union_ == OWN_OVERLAY);
		CHECK(a.m.module[0].is_needed && a.m.module[1].is_needed);
	}
	end(&a);
	start(&a, "5.4.1");
	if (make("module vfat fat && module fat '' && module nls_cp437 '' && module nls_utf8 '' && module nvme nowhere "
	         "&& "
	         "module usbhid hid && module hid usbhid") &&
	    use_image(&a, "tree")) {
		check_chosen(
		    &a, "xhci_pci scsi usb-storage sd_mod hid usbhid nls_cp437 nls_utf8 fat vfat ext4 loop squashfs "
		        "overlay");
		CHECK(a.m.has_vfat);
	}
	end(&a);
}

/* An initrd that insmods its modules by their names has nothing of depmod's; another one has what the image has not. */
TEST(modules_of_hand_made_initrds)
{
	AUTO_BUF struct buf one = { 0 }, two = { 0 }, none = { 0 };
	struct own_initrd_file f[3] = { 0 };
	struct asked a;

	start(&a, "5.4.1");
	if (!make("gzip $d/scsi.ko && xz --check=crc32 $d/ext4.ko && mkdir -p two/lib/modules/5.4.1 image && "
	          "mv $d/squashfs.ko $d/overlay.ko two/lib/modules/5.4.1 && "
	          "(cd two/lib/modules/5.4.1 && printf 'squashfs.ko:\\noverlay.ko:\\n' >modules.dep) && "
	          "(cd tree && find . | cpio -o -H newc --quiet | gzip) >one.img && "
	          "(cd two && find . | cpio -o -H newc --quiet) >two.img && echo none >none.img"))
		return;
	one = load("one.img");
	two = load("two.img");
	none = load("none.img");
	f[0] = (struct own_initrd_file){ input_memory(none.s), none.len, "/none.img" };
	f[1] = (struct own_initrd_file){ input_memory(one.s), one.len, "/one.img" };
	f[2] = (struct own_initrd_file){ input_memory(two.s), two.len, "/two.img" };
	a.q.initrds = f;
	a.q.n_initrds = 3;
	check_chosen(&a, "xhci_pci scsi usb-storage sd_mod ext4 loop squashfs overlay");
	CHECK_STR(a.m.initrd_compression, "gzip");
	for (size_t i = 0; i < a.m.n; i++)
		CHECK(modinfo_is_elf(a.m.module[i].data, a.m.module[i].len));
	a.q.n_initrds = 2;
	own_modules_free(&a.m);
	check_refused(&a,
	              "the kernel 5.4.1 has no squashfs and no overlay or aufs, neither built in nor as a module in "
	              "/one.img");
	/* With an image that has the rest. */
	if (sh("rm -rf image && mkdir -p image/usr && cp -r two/lib image/usr/") && use_image(&a, "image"))
		check_chosen(&a, "xhci_pci scsi usb-storage sd_mod ext4 loop squashfs overlay");
	free(a.k.version);
	a.k.version = xstrdup("5.4.2");
	own_modules_free(&a.m);
	check_refused(&a, "/boot/vmlinuz: the kernel is 5.4.2, but the modules in x.sfs are for 5.4.1");
	end(&a);
}

TEST(what_is_missing_is_said_at_once)
{
	struct asked a;

	start(&a, "5.4.1");
	if (make("rm $d/overlay.ko") && use_image(&a, "tree"))
		check_refused(&a, "the kernel 5.4.1 has no overlay or aufs, neither built in nor as a module in x.sfs");
	end(&a);
	start(&a, "5.4.1");
	if (make("rm $d/overlay.ko $d/squashfs.ko $d/usb-storage.ko") && use_image(&a, "tree"))
		check_refused(
		    &a, "the kernel 5.4.1 has no usb_storage, no squashfs and no overlay or aufs, neither built in nor "
		        "as a module in x.sfs");
	end(&a);
	start(&a, "5.4.1");
	if (make("rm $d/scsi.ko $d/xhci_pci.ko") && use_image(&a, "tree"))
		check_refused(
		    &a, "the kernel 5.4.1 has no xhci, ehci, ohci or uhci, no usb_storage and no sd_mod, neither built "
		        "in nor as a module in x.sfs");
	end(&a);
	start(&a, "5.4.1");
	if (make("sed -i 's/xz_dec_run/no_such_call/' $d/squashfs.ko") && use_image(&a, "tree"))
		check_refused(&a,
		              "the kernel 5.4.1 has no squashfs with xz, neither built in nor as a module in x.sfs");
	end(&a);
	start(&a, "3.19.1");
	if (make("sed -i 's/vermagic=5.4.1/vermagic=3.19/' $d/*.ko && mv $d tree/lib/modules/3.19.1") &&
	    use_image(&a, "tree")) {
		a.kind[1] = a.kind[0];
		a.q.n_kinds = 2;
		check_refused(&a,
		              "the kernel 3.19.1 has no overlay or aufs, neither built in nor as a module in x.sfs");
	}
	end(&a);
}

TEST(modules_of_another_kernel)
{
	struct asked a;

	start(&a, "5.4.2");
	if (make("true") && use_image(&a, "tree"))
		check_refused(&a, "/boot/vmlinuz: the kernel is 5.4.2, but the modules in x.sfs are for 5.4.1");
	end(&a);
	start(&a, "5.4.2");
	if (make("mv $d tree/lib/modules/5.4.2") && use_image(&a, "tree"))
		check_refused(&a, "x.sfs: the module xhci_pci is for the kernel 5.4.1, and the kernel is 5.4.2");
	end(&a);
}

static const char builtin_config[] =
    "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_CRYPTO_CRC32C=y\nCONFIG_TMPFS=y\nCONFIG_PROC_FS=y\n"
    "CONFIG_SYSFS=y\nCONFIG_USB_XHCI_HCD=y\nCONFIG_USB_STORAGE=y\nCONFIG_BLK_DEV_SD=y\nCONFIG_EXT4_FS=y\n"
    "CONFIG_BLK_DEV_LOOP=y\nCONFIG_SQUASHFS=y\nCONFIG_SQUASHFS_XZ=y\n";

static void set_config(struct asked *a, const char *more)
{
	AUTO_BUF struct buf config = { 0 };

	buf_addf(&config, "%s%s", builtin_config, more);
	CHECK(kernel_set_config(&a->k, config.s, "/boot/config-5.4.1"));
}

TEST(all_is_built_in)
{
	struct asked a;

	start(&a, "5.4.1");
	set_config(&a, "CONFIG_OVERLAY_FS=y\n# CONFIG_MODULES is not set\n");
	check_chosen(&a, "");
	CHECK(a.m.union_ == OWN_OVERLAY && !a.m.has_vfat && !a.m.doubt);
	set_config(&a, "CONFIG_OVERLAY_FS=y\nCONFIG_VFAT_FS=y\nCONFIG_NLS_CODEPAGE_850=y\nCONFIG_NLS_UTF8=y\n"
	               "CONFIG_FAT_DEFAULT_CODEPAGE=850\n");
	check_chosen(&a, "");
	CHECK(a.m.has_vfat);
	set_config(&a, "CONFIG_AUFS_FS=y\n");
	check_chosen(&a, "");
	CHECK(a.m.union_ == OWN_AUFS);
	set_config(&a, "CONFIG_OVERLAY_FS=m\nCONFIG_SQUASHFS_XZ=n\nCONFIG_SQUASHFS_ZSTD=y\n");
	check_refused(&a, "the kernel 5.4.1 has no overlay or aufs built in, and there are no modules for it "
	                  "(lib/modules/5.4.1)");
	a.kind[0].compressor = "zstd";
	set_config(&a, "CONFIG_OVERLAY_FS=y\n# CONFIG_SQUASHFS_ZSTD is not set\n");
	check_refused(&a, "the kernel 5.4.1 has no squashfs with zstd built in, and there are no modules for it "
	                  "(lib/modules/5.4.1)");
	CHECK(kernel_set_config(&a.k, "CONFIG_OVERLAY_FS=y\n", "x"));
	check_refused(
	    &a,
	    "the kernel 5.4.1 has no initrd (CONFIG_BLK_DEV_INITRD), no programs (CONFIG_BINFMT_ELF), no "
	    "tmpfs, no proc, no sysfs, no xhci, ehci, ohci or uhci, no usb_storage, no sd_mod, no "
	    "ext4, no loop, no squashfs and no crc32c built in, and there are no modules for it (lib/modules/5.4.1)");
	end(&a);
}

TEST(how_it_is_put_together)
{
	struct asked a;

	start(&a, "5.4.1");
	a.kind[0] = (struct image_kind){ .type = "ext2", .can_open = true };
	set_config(&a, "CONFIG_BLK_DEV_DM=y\nCONFIG_DM_SNAPSHOT=y\n");
	check_chosen(&a, "");
	CHECK(a.m.union_ == OWN_SNAPSHOT);
	set_config(&a, "CONFIG_BLK_DEV_DM=y\nCONFIG_DM_SNAPSHOT=y\nCONFIG_OVERLAY_FS=y\n");
	check_chosen(&a, "");
	CHECK(a.m.union_ == OWN_OVERLAY);
	set_config(&a, "CONFIG_BLK_DEV_DM=y\n");
	check_refused(&a,
	              "the kernel 5.4.1 has no overlay, aufs or dm-snapshot built in, and there are no modules for it "
	              "(lib/modules/5.4.1)");
	/* Two file systems cannot be one by a snapshot. */
	a.kind[1] = a.kind[0];
	a.q.n_kinds = 2;
	set_config(&a, "CONFIG_BLK_DEV_DM=y\nCONFIG_DM_SNAPSHOT=y\n");
	check_refused(&a, "the kernel 5.4.1 has no overlay or aufs built in, and there are no modules for it "
	                  "(lib/modules/5.4.1)");
	a.kind[1].type = "erofs";
	set_config(&a, "CONFIG_OVERLAY_FS=y\n");
	check_refused(&a,
	              "the kernel 5.4.1 has no erofs built in, and there are no modules for it (lib/modules/5.4.1)");
	CHECK_STR(own_union_name(OWN_OVERLAY), "overlay");
	CHECK_STR(own_union_name(OWN_AUFS), "aufs");
	CHECK_STR(own_union_name(OWN_SNAPSHOT), "snapshot");
	end(&a);
}

/* snapshot's modules, where overlay is not. */
TEST(modules_of_a_snapshot)
{
	struct asked a;

	start(&a, "5.4.1");
	a.kind[0] = (struct image_kind){ .type = "ext4", .can_open = true };
	if (make("rm $d/overlay.ko && module dm-mod '' && module dm-bufio dm-mod && module dm-snapshot "
	         "dm-mod,dm-bufio") &&
	    use_image(&a, "tree"))
		check_chosen(&a, "xhci_pci scsi usb-storage sd_mod ext4 loop dm-mod dm-bufio dm-snapshot");
	CHECK(a.m.union_ == OWN_SNAPSHOT);
	end(&a);
}

/* Since 6.14 ext4 has it without a module of that name. */
TEST(checksums)
{
	struct asked a;

	start(&a, "6.13.1");
	set_config(&a, "CONFIG_OVERLAY_FS=y\n");
	a.k.config[(size_t)(strstr(a.k.config, "CRC32C=y") - a.k.config) + 7] = 'n';
	check_refused(&a,
	              "the kernel 6.13.1 has no crc32c built in, and there are no modules for it (lib/modules/6.13.1)");
	free(a.k.version);
	a.k.version = xstrdup("6.14.0");
	check_chosen(&a, "");
	end(&a);
}

TEST(what_cannot_be_told)
{
	struct asked a;

	start(&a, "5.4.1");
	check_chosen(&a, "");
	CHECK(a.m.union_ == OWN_OVERLAY && a.m.has_vfat);
	CHECK_STR(
	    a.m.doubt,
	    "it cannot be told whether the kernel 5.4.1 has xhci, ehci, ohci or uhci, usb_storage, sd_mod, "
	    "ext4, loop, squashfs, crc32c, overlay or aufs, vfat and squashfs with xz: its configuration is neither "
	    "in it nor in /boot/config-5.4.1");
	/* It is certain that this kernel is too old for overlay. */
	free(a.k.version);
	a.k.version = xstrdup("3.10.1");
	check_chosen(&a, "");
	CHECK(a.m.union_ == OWN_AUFS && a.m.doubt);
	free(a.k.version);
	a.k.version = xstrdup("3.4.2");
	check_refused(
	    &a, "the kernel 3.4.2 has no ext4 with checksums (since Linux 3.5) built in, and there are no modules "
	        "for it (lib/modules/3.4.2)");
	end(&a);
	start(&a, "5.4.1");
	if (make("rm $d/modules.builtin $d/overlay.ko") && use_image(&a, "tree")) {
		check_chosen(&a, "xhci_pci scsi usb-storage sd_mod ext4 loop squashfs");
		CHECK(a.m.doubt && strstr(a.m.doubt, "has crc32c, overlay or aufs and vfat: "));
	}
	end(&a);
}

/* ---- hostile records */

TEST(records_that_somebody_made_up)
{
	struct asked a;

	start(&a, "5.4.1");
	if (make("(echo 'overlay.ko: overlay.ko'; echo 'ext4.ko: loop.ko ext4.ko'; echo 'loop.ko: ext4.ko'; "
	         "echo 'squashfs.ko:'; echo 'usb-storage.ko: ../../../../etc/passwd.ko scsi.ko'; echo 'sd_mod.ko: "
	         "scsi.ko'; "
	         "echo '/lib/modules/5.4.1/xhci_pci.ko: /lib/modules/5.4.1/scsi.ko'; echo 'scsi.ko'; echo; echo ':'; "
	         "printf 'no end') >$d/modules.dep && (echo 'softdep ext4 pre: crc ext4 nothing post: scsi'; echo "
	         "softdep; "
	         "echo 'softdep '; printf 'softdep x') >$d/modules.softdep && echo 'alias crc overlay' "
	         ">$d/modules.alias") &&
	    use_image(&a, "tree"))
		check_refused(&a, "the kernel 5.4.1 has no usb_storage, neither built in nor as a module in x.sfs");
	own_modules_free(&a.m);
	end(&a);
	start(&a, "5.4.1");
	if (make("(echo 'overlay.ko: overlay.ko'; echo 'ext4.ko: loop.ko ext4.ko'; echo 'loop.ko: ext4.ko'; "
	         "echo 'squashfs.ko:'; echo '/lib/modules/5.4.1/xhci_pci.ko: /lib/modules/5.4.1/scsi.ko') "
	         ">$d/modules.dep && "
	         "(echo 'softdep ext4 pre: crc ext4 nothing post: scsi'; printf 'softdep x') >$d/modules.softdep && "
	         "echo 'alias crc overlay' >$d/modules.alias") &&
	    use_image(&a, "tree"))
		check_chosen(&a, "scsi xhci_pci usb-storage sd_mod overlay loop ext4 squashfs");
	end(&a);
	start(&a, "5.4.1");
	if (make("echo 'no module at all' >$d/loop.ko") && use_image(&a, "tree"))
		check_refused(&a, "x.sfs: /lib/modules/5.4.1/loop.ko: is no kernel module");
	end(&a);
	start(&a, "5.4.1");
	if (make("for i in $(seq 1 50); do module m$i m$((i + 1)); done && module m51 '' && module sr_mod m1 && "
	         "module ahci m40") &&
	    use_image(&a, "tree") && choose(&a))
		CHECK(!find(&a, "sr_mod") && find(&a, "m51") && is_before(&a, "m51", "m40") &&
		      is_before(&a, "m40", "ahci"));
	end(&a);
	/* A chain like modules.dep has it: each names all. It is not walked 2^40 times. */
	start(&a, "5.4.1");
	if (make("for i in $(seq 1 40); do module m$i ''; printf \"m$i.ko:\"; for k in $(seq $((i + 1)) 40); do "
	         "printf \" m$k.ko\"; done; echo; done >deps && (cat deps; printf 'sr_mod.ko:'; "
	         "for k in $(seq 1 40); do printf \" m$k.ko\"; done; echo; for m in scsi usb-storage sd_mod xhci_pci "
	         "ext4 "
	         "loop squashfs overlay; do echo $m.ko:; done) >$d/modules.dep && module sr_mod ''") &&
	    use_image(&a, "tree") && choose(&a)) {
		CHECK_U64(a.m.n, 7 + 41);
		CHECK(is_before(&a, "m40", "m39") && is_before(&a, "m2", "m1") && is_before(&a, "m1", "sr_mod"));
	}
	end(&a);
}

TEST(modinfo_of_damaged_modules)
{
	AUTO_BUF struct buf b = { 0 };
	const char *soft;

	if (!make("cp $d/usb-storage.ko m.ko"))
		return;
	b = load("m.ko");
	CHECK_STR(modinfo_find((u8 *)b.s, b.len, "depends", NULL), "scsi");
	soft = modinfo_find((u8 *)b.s, b.len, "vermagic", NULL);
	CHECK_STR(soft, "5.4.1 SMP");
	CHECK(!modinfo_find((u8 *)b.s, b.len, "vermagic", soft));
	CHECK(!modinfo_find((u8 *)b.s, b.len, "depend", NULL));
	for (size_t len = 0; len < b.len; len++) {
		AUTO_FREE u8 *copy = xcalloc(1, MAX(len, 1));

		memcpy(copy, b.s, len);
		CHECK(!modinfo_find(copy, len, "depends", NULL)); /* the sections are listed at the end */
	}
	for (size_t i = 0; i < b.len; i++) {
		AUTO_FREE u8 *copy = xcalloc(1, b.len);
		const char *found;

		memcpy(copy, b.s, b.len);
		copy[i] ^= 0xff;
		found = modinfo_find(copy, b.len, "depends", NULL);
		if (found)
			CHECK(strlen(found) < b.len);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
