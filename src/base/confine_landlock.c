/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Landlock by its system calls: facts from Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h
 * of Linux 6.12. Debian 12's header knows ABI 2, so what came later has its numbers here.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/landlock.h>

#include "src/base/confine_private.h"

/* By ABI 1: all below bit 13. */
#define FS_ABI_1     ((1ULL << 13) - 1)
#define FS_REFER     (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE  (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_ABI_4    3ULL         /* TCP: bind and connect */
#define SCOPE_ABI_6  3ULL         /* abstract UNIX sockets and signals stay among those that are confined alike */

#define FS_MAKE                                                                                                        \
	(LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |                    \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REMOVE_FILE |                 \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | FS_REFER)

/* What a rule for something that is no directory can have. */
#define FS_OF_FILES                                                                                                    \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE |     \
	 FS_IOCTL_DEV)

/* struct landlock_ruleset_attr as of ABI 6; an older kernel takes it when what it does not know is 0. */
struct ruleset {
	u64 fs, net, scoped;
};

static const struct {
	unsigned right;
	u64 access;
} rights_table[] = {
	{ LANDLOCK_READS, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR },
	{ LANDLOCK_WRITES, LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE },
	{ LANDLOCK_RUNS, LANDLOCK_ACCESS_FS_EXECUTE },
	{ LANDLOCK_MAKES, FS_MAKE },
	{ LANDLOCK_LISTS, LANDLOCK_ACCESS_FS_READ_DIR },
	{ LANDLOCK_CONTROLS, FS_IOCTL_DEV },
	{ LANDLOCK_RMDIRS, LANDLOCK_ACCESS_FS_REMOVE_DIR },
};

static u64 known_rights(int abi)
{
	return FS_ABI_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) | (abi >= 5 ? FS_IOCTL_DEV : 0);
}

void landlock_new(struct landlock *ret)
{
	struct ruleset all = { 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	*ret = (struct landlock){ .fd = -errno, .abi = abi > 0 ? (int)abi : 0 };
	if (abi <= 0)
		return;
	all.fs = known_rights(ret->abi);
	all.net = abi >= 4 ? NET_ABI_4 : 0;
	all.scoped = abi >= 6 ? SCOPE_ABI_6 : 0;
	ret->fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (ret->fd < 0)
		ret->fd = -errno;
}

void landlock_allow_fd(const struct landlock *l, int fd, unsigned rights)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = fd };
	struct stat st;

	if (l->fd < 0 || fstat(fd, &st) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rights_table); i++)
		if (rights & rights_table[i].right)
			rule.allowed_access |= rights_table[i].access;
	rule.allowed_access &= known_rights(l->abi);
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_OF_FILES;
	/* What cannot be allowed is denied: the run will say so, by the name of the file. */
	if (rule.allowed_access)
		syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

void landlock_allow(const struct landlock *l, const char *path, unsigned rights)
{
	AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd >= 0)
		landlock_allow_fd(l, fd, rights);
}

int landlock_enforce(struct landlock *l)
{
	int r = MIN(l->fd, 0);

	if (r == 0 && syscall(SYS_landlock_restrict_self, l->fd, 0) < 0)
		r = -errno;
	util_close(&l->fd);
	l->fd = -EBADF;
	return r;
}
