/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <regex.h>
#include <sys/random.h>
#include <time.h>

#include "src/prove_parts.h"

/* Of the console, in the sentence on a start that failed. */
#define LINES_SHOWN 8

#define COMMAND_SECONDS 90

const char *const prove_boot_id[N_FIRMWARES] = { "boot-bios", "boot-uefi", "boot-secureboot" };
const char *const prove_persist_id[N_FIRMWARES] = { "persist-bios", "persist-uefi", "persist-secureboot" };

bool prove_keeps_nothing(const struct proof *p)
{
	return p->facts->is_ours && !stick_data(p->facts);
}

/* ---- has it started */

/* Behind the line that says why it is dead a loader may have drawn its menu again. */
static void add_last_lines(struct buf *b, const struct guest *g, const struct guest_facts *f)
{
	const struct console *c = guest_console(g);
	AUTO_FREE char *lines = console_tail(c, f->state == GUEST_DEAD ? f->said : console_end(c), LINES_SHOWN, " | ");

	if (*lines)
		buf_addf(b, "; the console's last lines: %s", lines);
	else
		buf_adds(b, "; the console said nothing");
}

static void add_good(struct buf *b, const struct proof *p, const struct guest_facts *f)
{
	buf_addf(b, "started in %.0f s%s", f->seconds, p->qemu->kvm ? "" : " (emulated)");
	if (f->kernel)
		buf_addf(b, ": Linux %s", f->kernel);
	if (f->state == GUEST_LOGIN)
		buf_adds(b, ", asks for a login");
	else if (f->user)
		buf_addf(b, ", lets %s in", f->user);
	else if (f->state == GUEST_SHELL)
		buf_adds(b, ", has a shell");
	if (p->stick->sector_size != 512)
		buf_adds(b, "; not from USB, where the firmware at hand reads no sectors of 4096 bytes");
	if (prove_keeps_nothing(p))
		buf_adds(b, "; it has no persistence partition, so nothing is kept");
}

static void add_bad(struct buf *b, const struct proof *p, const struct guest_facts *f)
{
	switch (f->state) {
	case GUEST_LATE:
		buf_addf(b, "has not started within %.0f s%s", f->seconds, f->kernel ? ", only its kernel has" : "");
		break;
	case GUEST_QUIET:
		buf_addf(b, "its kernel has started, then nothing came any more (%.0f s)", f->seconds);
		break;
	case GUEST_MUTE:
		buf_addf(b, "no kernel was heard of (%.0f s)", f->seconds);
		break;
	default:
		buf_adds(b, f->why);
	}
	if (p->no_console)
		buf_addf(b, "; it has no serial console: %s", p->no_console);
}

/*
 * Without a serial console, or with a system that leaves it alone, only the stick can tell: what has not started writes
 * nothing to the persistence partition.
 */
static bool is_silent(const struct guest_facts *f)
{
	return f->state == GUEST_QUIET || f->state == GUEST_MUTE || f->state == GUEST_LATE;
}

/* Whether a start that has not been seen may have been one all the same. */
static bool is_unclear(const struct proof *p, const struct guest_facts *f)
{
	return f->qemu_broke || f->state == GUEST_QUIET || (is_silent(f) && p->no_console);
}

static const char *turn(int which)
{
	return which == 1 ? "" : "after the power was cut: ";
}

/* How much was written to the persistence partition. */
static u64 written(const struct proof *p)
{
	const struct scan_part *data = prove_data(p->overlay, p->facts);

	return data ? device_scratch_written(p->overlay, data->start, data->size) : 0;
}

bool prove_judge_start(struct proof *p, int which, struct guest *g, const struct guest_facts *f)
{
	const char *id = prove_boot_id[p->firmware];
	AUTO_BUF struct buf b = { 0 };

	buf_adds(&b, turn(which));
	if (f->state == GUEST_SHELL || f->state == GUEST_LOGIN) {
		add_good(&b, p, f);
		if (which == 1)
			checks_add(p->c, id, CHECK_OK, "%s", b.s);
		return true;
	}
	if (is_silent(f) && written(p)) {
		if (which == 1)
			checks_add(p->c, id, CHECK_OK,
			           "started%s, judged by what it wrote to its persistence partition; nothing can be "
			           "asked: %s",
			           p->qemu->kvm ? "" : " (emulated)",
			           p->no_console ? p->no_console : "there is no prompt on the serial console");
		return true;
	}
	add_bad(&b, p, f);
	if (!f->qemu_broke)
		add_last_lines(&b, g, f);
	checks_add(p->c, id, is_unclear(p, f) ? CHECK_UNKNOWN : CHECK_BAD, "%s", b.s);
	return false;
}

/* ---- the marker */

static void make_marker(struct proof *p)
{
	static const char digits[] = "0123456789abcdef";
	u8 random[68];

	/* Blocks only before the kernel's first seeding; nobody is harmed by a guess of it, so an error counts for
	 * nothing. */
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		memset(random, (u8)time(NULL), sizeof(random));
	for (int half = 0; half < 2; half++)
		for (int i = 0; i < 32; i++)
			p->text[half][i] = digits[random[half * 32 + i] & 15];
	snprintf(p->name, sizeof(p->name), ".livestick-%02x%02x%02x%02x", random[64], random[65], random[66],
	         random[67]);
	snprintf(p->whole, sizeof(p->whole), "%s%s", p->text[0], p->text[1]);
	p->marker = (struct prove_marker){ p->name, p->whole };
}

/* Where families keep something, if not everywhere; of others the home directory of whoever is there. */
static const char *place(const struct proof *p)
{
	static const struct {
		const char *family, *dir;
	} table[] = { { "alpine", "/home" }, { "tinycore", "/home/tc" } };

	for (size_t i = 0; p->family && i < ARRAY_SIZE(table); i++)
		if (strcmp(p->family->name, table[i].family) == 0)
			return table[i].dir;
	return "/root";
}

/* Whether a line of the guest's /proc/mounts is what the family says a system that saves has. */
static bool matches_proof(const struct proof *p, const char *mounts)
{
	regex_t regex;
	bool found;

	if (!p->family || !p->family->proof ||
	    regcomp(&regex, p->family->proof, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0)
		return false;
	found = regexec(&regex, mounts, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

/* A command that fails is as good as none: what it was for is missing then. */
static int ask_guest(struct guest *g, const char *command, struct buf *output, struct err *e)
{
	AUTO_ERR struct err other = { 0 };
	int r = guest_run(g, command, COMMAND_SECONDS, output, &other);

	if (r == -EINTR)
		return fail(e, r, "interrupted");
	return r;
}

int prove_plant(struct proof *p, struct guest *g, const struct guest_facts *f, struct err *e)
{
	AUTO_BUF struct buf command = { 0 }, output = { 0 };
	size_t len;
	int r;

	if (f->state != GUEST_SHELL)
		return 0;
	make_marker(p);
	r = ask_guest(g, "cat /proc/mounts", &output, e);
	if (r == 0)
		p->has_proof = matches_proof(p, output.s);
	if (r == -EINTR)
		return r;
	buf_addf(&command, "d=%s; [ -w $d ] || d=$HOME; printf %%s%%s %s %s >$d/%s && sync && echo $d/%s", place(p),
	         p->text[0], p->text[1], p->name, p->name);
	r = ask_guest(g, command.s, &output, e);
	if (r != 0)
		return MIN(r == -EINTR ? r : 0, 0);
	len = strcspn(output.s, "\n");
	/* It is put into a command again: a path of ours, not what else may have come in between. */
	if (output.s[0] == '/' && len < 200 &&
	    strspn(output.s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == len)
		p->path = xstrndup(output.s, len);
	return 0;
}

int prove_ask(struct proof *p, struct guest *g, const struct guest_facts *f, struct err *e)
{
	AUTO_BUF struct buf command = { 0 }, output = { 0 };
	int r;

	if (!p->path || f->state != GUEST_SHELL)
		return -ENODATA;
	buf_addf(&command, "cat %s", p->path);
	r = ask_guest(g, command.s, &output, e);
	if (r < 0)
		return r == -EINTR ? r : -ENODATA;
	return r == 0 && strstr(output.s, p->whole) != NULL;
}

/* ---- does it keep what is saved */

static void judge_marker(struct proof *p, const struct scan_part *data, int asked, int found, const char *where)
{
	const char *id = prove_persist_id[p->firmware];
	AUTO_BUF struct buf b = { 0 };

	if (found && where)
		buf_addf(&b, "it lies on the persistence partition as %s", where);
	else if (found)
		buf_adds(&b, "its bytes are on the persistence partition, inside of something else");
	else if (!device_scratch_written(p->overlay, data->start, data->size))
		buf_adds(&b, "nothing was ever written to the persistence partition");
	else
		buf_adds(&b, "it is not on the persistence partition");
	if (asked == 1)
		checks_add(p->c, id, CHECK_OK, "%s, saved in the first start, was there after the power was cut; %s",
		           p->path, b.s);
	else if (asked == 0)
		checks_add(p->c, id, CHECK_BAD,
		           "not persistent: %s, saved in the first start, was gone after the power was cut; %s",
		           p->path, b.s);
	else
		checks_add(p->c, id, found ? CHECK_OK : CHECK_BAD,
		           "%s%s was saved in the first start; after the second, which could not be asked, %s",
		           found ? "" : "not persistent: ", p->path, b.s);
}

/* Without a shell: by what the system itself has written. */
static int judge_traces(struct proof *p, const struct scan_part *data, struct err *e)
{
	const char *id = prove_persist_id[p->firmware];
	AUTO_ERR struct err other = { 0 };
	struct prove_traces t = { 0 };
	int r = prove_find_traces(p->overlay, data, p->first, p->second, &t, &other);

	(void)e;
	if (r < 0)
		checks_add(p->c, id, CHECK_UNKNOWN,
		           "there is no shell to save a file with, and the persistence partition cannot be looked "
		           "through: %s",
		           other.text);
	else if (!t.bytes)
		checks_add(p->c, id, CHECK_BAD, "not persistent: the system never wrote to the persistence partition");
	else if (t.first && t.second)
		checks_add(p->c, id, CHECK_OK,
		           "judged by what the system itself saved, for want of a shell: %u files of the first start, "
		           "such as %s, lie on the persistence partition after the power was cut, and %u of the second",
		           t.first, t.example, t.second);
	else
		checks_add(
		    p->c, id, CHECK_UNKNOWN,
		    "there is no shell to save a file with; the system has written to the persistence partition, "
		    "but files of %s start are not there",
		    t.first ? "the second" : "the first");
	free(t.example);
	return 0;
}

int prove_judge_persistence(struct proof *p, int asked, struct err *e)
{
	const struct scan_part *data = prove_data(p->overlay, p->facts);
	AUTO_FREE char *where = NULL;
	int found;

	if (!data) {
		if (p->path && asked == 1)
			checks_add(p->c, prove_persist_id[p->firmware], CHECK_OK,
			           "%s, saved in the first start, was there after the power was cut", p->path);
		return 0;
	}
	if (!p->path)
		return judge_traces(p, data, e);
	found = prove_find_marker(p->overlay, data, &p->marker, &where, e);
	if (found < 0)
		return found;
	judge_marker(p, data, asked, found, where);
	return 0;
}
