/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /init of livestick's own initrd, for systems whose own cannot keep changes. The kernel's first process: it must not
 * end, whatever happens, and nothing on the machine but the stick's DATA may be written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>

#include "persist/init/ask.h"
#include "persist/init/data.h"
#include "persist/init/files.h"
#include "persist/init/first_start.h"
#include "persist/init/module.h"
#include "persist/init/move.h"
#include "persist/init/say.h"
#include "persist/init/stick.h"
#include "persist/init/unite.h"

/* A fault of ours would be a kernel panic, with nothing to be read on many screens. */
static void on_fault(int number)
{
	const char *console;

	say("a fault of livestick's own program, signal %d: please report it. b: reboot", number);
	for (;;) {
		say_read_letter("b", &console);
		sync();
		reboot(RB_AUTOBOOT);
	}
}

static void catch_faults(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction action = { .sa_handler = on_fault };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

/* ---- the first steps */

/* The kernel gave us no open file when the archive had no /dev/console. */
static void open_standard_files(void)
{
	while (fcntl(2, F_GETFD) < 0)
		if (open("/dev/console", O_RDWR) < 0 && open("/dev/null", O_RDWR) < 0)
			break;
}

static void make_dev(struct run *run)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};

	if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755") == 0 || errno == EBUSY)
		return;
	run->devices.need_nodes = true;
	if (mount("dev", "/dev", "tmpfs", MS_NOSUID, "mode=0755") < 0)
		say("/dev cannot be mounted: %s", strerror(errno));
	nodes_make_all();
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			say_debug("%s: %s", links[i][1], strerror(errno));
}

static void mount_ours(struct run *run)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount("proc", "/proc", "proc", flags, NULL) < 0 && errno != EBUSY)
		say("/proc cannot be mounted: %s", strerror(errno));
	if (mount("sysfs", "/sys", "sysfs", flags, NULL) < 0 && errno != EBUSY)
		say("/sys cannot be mounted: %s", strerror(errno));
	make_dev(run);
	if (mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		say("/run cannot be mounted: %s", strerror(errno));
	open_standard_files();
}

static int read_settings(struct run *run)
{
	TEXT(why, 200);
	ssize_t len;
	int r;

	if (file_read("/proc/cmdline", run->cmdline_text, sizeof(run->cmdline_text)) < 0)
		say("/proc/cmdline cannot be read");
	cmdline_parse(run->cmdline_text, &run->cmdline);
	run->saving = run->cmdline.perch;
	say_open(run->cmdline.debug);
	if (run->cmdline.wrong)
		say("the value of %s= cannot be used", run->cmdline.wrong);
	if (run->cmdline.wrong && strcmp(run->cmdline.wrong, "from") == 0)
		return -EINVAL; /* another system would start */
	len = file_read("/livestick.conf", run->conf_text, sizeof(run->conf_text));
	if (len < 0 || (size_t)len == sizeof(run->conf_text) - 1)
		text_add(&why, "%s", len < 0 ? strerror((int)-len) : "too long");
	r = why.len ? -EINVAL : conf_parse(run->conf_text, &run->conf, &why);
	if (r < 0)
		say("/livestick.conf: %s", why.s);
	return r;
}

static int prepare(struct run *run)
{
	struct text failed = { run->failed_modules, sizeof(run->failed_modules), 0, false };
	int r = dir_make(RUN, 0755);

	if (r == 0)
		r = dir_make(NEW_ROOT, 0755);
	if (r < 0) {
		say("no room in memory: %s", strerror(-r));
		return r;
	}
	modules_load(&run->conf, run->cmdline_text, &failed);
	if (run->devices.need_nodes)
		nodes_make_all();
	return 0;
}

/* ---- all of them */

/* run(): 0, -errno (the user has been told why, and is asked), or the letter that it got from the user itself. */
static const struct step {
	int (*run)(struct run *run);
	void (*undo)(struct run *run); /* of what was done in whole or in part; NULL: nothing to be undone */
	const char *letters;           /* what may be answered, see ask.h */
	unsigned again;                /* "r" goes back to this step */
} steps[] = {
	{ read_settings, NULL, "", 0 },
	{ prepare, NULL, "r", 1 },
#define FIND_BOOT 2
	{ stick_find_boot, NULL, "r", FIND_BOOT },
	{ stick_mount_boot, stick_unmount_boot, "r", FIND_BOOT },
	{ stick_mount_images, stick_unmount_images, "r", FIND_BOOT },
#define OPEN_DATA 5
	{ data_open, data_close, "cr", OPEN_DATA },
	{ unite, unite_undo, "cr", OPEN_DATA },
	{ move_find_init, NULL, "cr", OPEN_DATA },
	{ first_start, NULL, "", OPEN_DATA },
	{ move_to_new_root, NULL, "", 9 },
};

static unsigned undo_to(struct run *run, unsigned now, unsigned to)
{
	for (unsigned i = now + 1; i-- > to;)
		if (steps[i].undo)
			steps[i].undo(run);
	return to;
}

/* Returns the step to go on with. */
static unsigned do_step(struct run *run, unsigned i)
{
	const char *letters = steps[i].letters;
	int answer = steps[i].run(run);

	if (answer == 0)
		return i + 1;
	if (answer < 0) {
		if (letters[0] == 'c' && !run->saving)
			letters++;
		answer = ask(run, letters);
	}
	if (answer == 'c') {
		run->saving = false;
		return undo_to(run, i, OPEN_DATA);
	}
	devices_forget(&run->devices);
	return undo_to(run, i, steps[i].again);
}

int main(int argc, char **argv)
{
	static struct run run;

	(void)argc;
	run.argv = argv;
	if (getpid() != 1)
		return 1; /* somebody has called it to see what it does */
	catch_faults();
	mount_ours(&run);
	for (unsigned i = 0;;)
		i = do_step(&run, i);
}
