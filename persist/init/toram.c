/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/toram.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "persist/init/files.h"
#include "persist/init/say.h"
#include "persist/init/stick.h"

#define LEAVE_FREE (64 * MIB) /* what the system gets at least for itself */

/* Bytes; kernels before 3.14 do not say what could be freed: there, this early, nearly all is simply free. */
static u64 memory_available(void)
{
	static const char *const keys[] = { "MemAvailable:", "MemFree:" };
	char text[4096];

	if (file_read("/proc/meminfo", text, sizeof(text)) <= 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *p = strstr(text, keys[i]);

		if (p)
			return strtoull(p + strlen(keys[i]), NULL, 10) * KIB;
	}
	return 0;
}

static int add_sizes(const struct run *run, u64 *ret_total)
{
	*ret_total = 0;
	for (size_t i = 0; i < run->conf.n_images; i++) {
		TEXT(path, 1024);
		struct stat st;

		stick_image_path(run, i, &path);
		if (stat(path.s, &st) < 0)
			return -errno;
		*ret_total += align_up((u64)st.st_size, 4096);
	}
	return 0;
}

struct copying {
	u64 done, total;
	unsigned told; /* tenths */
};

static int copy_bytes(int in, int out, struct copying *c)
{
	static u8 bytes[MIB];
	ssize_t n;

	while ((n = read(in, bytes, sizeof(bytes))) > 0) {
		if (write(out, bytes, (size_t)n) != n)
			return -ENOSPC;
		c->done += (u64)n;
		if (c->total && c->done * 10 / c->total > c->told && c->told < 9) {
			c->told = (unsigned)MIN(c->done * 10 / c->total, 9);
			say("  %u0 %%", c->told);
		}
	}
	return n < 0 ? -errno : 0;
}

static int copy_image(const struct run *run, size_t i, struct copying *c)
{
	TEXT(from, 1024);
	TEXT(to, 64);
	int in, out, r;

	stick_image_path(run, i, &from);
	text_add(&to, RUN_COPY "/%02zu", i);
	in = open(from.s, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = open(to.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
	r = out < 0 ? -errno : copy_bytes(in, out, c);
	if (out >= 0 && close(out) < 0 && r == 0)
		r = -errno;
	close(in);
	if (r < 0)
		say("%s cannot be copied: %s", from.s, strerror(-r));
	return r;
}

static int copy_all(struct run *run, u64 total)
{
	struct copying c = { .total = total };
	TEXT(options, 64);
	int r = dir_make(RUN_COPY, 0700);

	text_add(&options, "mode=0700,size=%llu", (unsigned long long)(total + MIB));
	if (r == 0 && mount("memory", RUN_COPY, "tmpfs", MS_NOATIME, options.s) < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < run->conf.n_images; i++)
		r = copy_image(run, i, &c);
	if (r < 0)
		toram_undo(run);
	return r;
}

void toram(struct run *run)
{
	u64 total, available = memory_available();
	TEXT(need, 32);
	TEXT(have, 32);

	if (add_sizes(run, &total) < 0)
		return; /* mounting them will say what is wrong */
	text_add_size(&need, total);
	text_add_size(&have, available);
	if (total + LEAVE_FREE > available) {
		say("toram: the system has %s, and there is %s of memory: it starts from the stick", need.s, have.s);
		return;
	}
	say("copying %s to memory (%s free)", need.s, have.s);
	if (copy_all(run, total) < 0) {
		say("toram: not possible, the system starts from the stick");
		return;
	}
	stick_unmount_boot(run);
	run->in_memory = true;
	say("copied: %s", run->saving ? "only changes still go to the stick" : "the stick is not needed any more");
}

void toram_undo(struct run *run)
{
	umount2(RUN_COPY, MNT_DETACH);
	run->in_memory = false;
}
