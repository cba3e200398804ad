/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/check.h"

#include <errno.h>

#include "persist/init/ask.h"
#include "persist/init/inside.h"
#include "persist/init/say.h"

/* Exit status of e2fsck(8): bits. From 16 on it has not looked at all: it was not to be used so, or did not run. */
enum {
	FSCK_REPAIRED = 1 | 2,
	FSCK_NOT_REPAIRED = 4,
	FSCK_DID_NOT_LOOK = 16,
};

static bool is_good(int status)
{
	return status >= 0 && (status & ~FSCK_REPAIRED) == 0;
}

/* Only what is written in the superblock is known: the user may know better. */
static int without_e2fsck(struct run *run, const char *what, const char *node, const struct super *s)
{
	char letter;

	if (!s->errors) {
		say("%s: the system has no e2fsck that can be used%s", what,
		    s->recover ? ", the kernel replays the journal" : "");
		return 0;
	}
	say("%s, %s: the file system says of itself that it has errors, and the system has no e2fsck to repair them",
	    what, node);
	letter = ask(run, "crf");
	return letter == 'f' ? 0 : letter;
}

static int repair(struct run *run, const char *what, const char *node)
{
	for (;;) {
		char letter;
		int status;

		say("%s, %s, is damaged, and e2fsck cannot repair it without the risk of losing something", what, node);
		letter = ask(run, "cyr");
		if (letter != 'y')
			return letter;
		status = inside_e2fsck(run, "-y", node);
		say("%s: e2fsck -y: exit status %d: %s", what, status, is_good(status) ? "repaired" : "not repaired");
		if (is_good(status))
			return 0;
	}
}

int check_ext(struct run *run, const char *what, const char *node)
{
	struct super s;
	int r = device_read_super(node, &s);

	if (r == 0 && !s.is_ext)
		r = -EUCLEAN;
	if (r < 0) {
		say("%s, %s: %s", what, node, r == -EUCLEAN ? "not an ext file system" : strerror(-r));
		return r;
	}
	if (s.clean && !s.errors && !s.recover)
		return 0;
	say("%s %s: it is checked", what, s.errors ? "has errors" : "was not unmounted last time");
	r = inside_e2fsck(run, "-p", node);
	if (r >= 0 && r < FSCK_DID_NOT_LOOK && (r & FSCK_NOT_REPAIRED))
		return repair(run, what, node);
	if (is_good(r)) {
		say("%s: e2fsck -p: exit status %d: %s", what, r, r ? "repaired" : "nothing to repair");
		return 0;
	}
	say_debug("%s: e2fsck -p: exit status %d", what, r);
	return without_e2fsck(run, what, node, &s);
}
