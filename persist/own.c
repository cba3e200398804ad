/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Systems that livestick starts by an initrd of its own (own_initrd.h), because they have none or because theirs cannot
 * keep anything: hand-made live CDs, a kernel beside the squashfs of a chroot. Its words are those of linux-live where
 * that has one (persist/init/cmdline.h).
 *
 * Never found by its words or its tree: it is taken when no other family fits and there is a system image, or when the
 * user asks for it.
 */
#include "persist/family.h"

static int own_score(const struct family_facts *f)
{
	(void)f;
	return 0;
}

/*
 * Away goes what told another initrd, or the kernel, where the root is: "root=/dev/ram0", "root=/dev/livecd",
 * "init=/linuxrc".
 */
static void own_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m, struct buf *out)
{
	static const char *const drop[] = {
		"root=",
		"rootfstype=",
		"rootflags=",
		"load_ramdisk=",
		"prompt_ramdisk=",
		"ramdisk_size=",
		"ramdisk=",
		"init=/linuxrc",
		"init=/init",
		"rdinit=*",
		"livestick.*",
		"from=",
		"perch",
		"perchdir=",
		"noinitrd",
		"ro",
		"rw",
	};
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "livestick.boot=%s", m->boot_uuid);
	if (*m->slot)
		buf_addf(&words, " from=%s", m->slot);
	if (m->persistent)
		buf_addf(&words, " livestick.data=%s perch", m->data_uuid);
	args_add(out, words.s);
}

static const char *const own_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	NULL,
};

const struct family family_own = {
	.name = "own",
	.title = "a system that livestick's own initrd starts",
	.score = own_score,
	.rewrite = own_rewrite,
	.takes_slot = true,
	.to_memory = "toram",
	.limits = own_limits,
	.proof = "^overlay / overlay .*upperdir=/run/livestick/data/changes/",
};
