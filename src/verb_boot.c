/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <termios.h>

#include "src/base/scratch.h"
#include "src/base/send.h"
#include "src/least_power.h"
#include "src/prove.h"
#include "src/prove_menu.h"
#include "src/target.h"
#include "src/verb.h"

#define MEMORY     (2 * GIB)
#define MEMORY_MIN (64 * MIB)

#define CTRL_A 1

struct state {
	struct target_request target;
	enum firmware firmware;
	bool serial;
	u64 memory;
	const char *display; /* QEMU's name of it; NULL: none */
};

static const struct verb_option options[] = {
	{ "firmware", "NAME", "bios (the default), uefi or secureboot" },
	{ "uefi", NULL, "the same as --firmware uefi" },
	{ "serial", NULL, "on this terminal instead of a window; Ctrl-A x ends it" },
	{ "memory", "SIZE", "of the machine; 2G by default" },
	{ "write", NULL, "what the guest writes stays on the stick" },
	{ "allow-fixed", NULL, "with --write: also a drive that is not removable" },
};

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;
	int r = 0;

	if (strcmp(option, "uefi") == 0)
		s->firmware = FIRMWARE_UEFI;
	else if (strcmp(option, "serial") == 0)
		s->serial = true;
	else if (strcmp(option, "write") == 0)
		s->target.writable = true;
	else if (strcmp(option, "allow-fixed") == 0)
		s->target.allow_fixed = true;
	else if (strcmp(option, "memory") == 0)
		r = parse_size(option, value, &s->memory, e);
	else if (firmware_by_name(value, &s->firmware) < 0)
		r = fail_as(e, EXIT_USAGE, -EINVAL, "--firmware %s: is none of bios, uefi, secureboot", value);
	if (r == 0 && s->memory && s->memory < MEMORY_MIN)
		r = fail_as(e, EXIT_USAGE, -EINVAL, "--memory %s: no system starts with less than 64M", value);
	return r;
}

/* ---- the terminal */

struct terminal {
	bool is_raw;
	struct termios before;
	bool after_ctrl_a; /* the key before was Ctrl-A */
	bool input_ended;
};

/* Every key is the guest's; QEMU's serial port does what a terminal's driver would. */
static void make_raw(struct terminal *t)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->before) < 0)
		return;
	raw = t->before;
	cfmakeraw(&raw);
	/* what others say meanwhile still begins at the left */
	raw.c_oflag |= OPOST;
	t->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore(struct terminal *t)
{
	if (!t->is_raw)
		return;
	tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	fprintf(stderr, "\n");
}

/* 1: Ctrl-A x. Ctrl-A twice is one for the guest; with another key behind it, both go there. */
static int pass_keys(struct terminal *t, const char *keys, size_t len, int serial)
{
	AUTO_BUF struct buf out = { 0 };

	for (size_t i = 0; i < len; i++) {
		if (!t->after_ctrl_a && keys[i] == CTRL_A) {
			t->after_ctrl_a = true;
			continue;
		}
		if (t->after_ctrl_a && (keys[i] == 'x' || keys[i] == 'X'))
			return 1;
		if (t->after_ctrl_a && keys[i] != CTRL_A)
			buf_add(&out, &(char){ CTRL_A }, 1);
		t->after_ctrl_a = false;
		buf_add(&out, &keys[i], 1);
	}
	return out.len ? send_all(serial, out.s, out.len) : 0;
}

static int read_keys(struct terminal *t, int serial)
{
	char keys[256];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n > 0)
		return pass_keys(t, keys, (size_t)n, serial);
	if (n == 0 || errno != EINTR)
		t->input_ended = true;
	return 0;
}

/* The guest's words, to the terminal, or to nobody when it has a window. */
static int hear(const struct pc *pc, bool show)
{
	char piece[16 * KIB];
	ssize_t n = recv(pc->serial, piece, sizeof(piece), MSG_DONTWAIT);

	if (n <= 0 || !show)
		return 0;
	fwrite(piece, 1, (size_t)n, stdout);
	return fflush(stdout) == 0 ? 0 : -errno;
}

/* Until the machine is off, the user has had enough, or somebody stops us. */
static int attend(const struct state *s, struct pc *pc, struct terminal *t)
{
	int r = 0;

	while (r == 0 && !interrupted && !child_has_ended(&pc->child)) {
		struct pollfd fds[] = { { .fd = pc->serial, .events = POLLIN },
			                { .fd = pc->child.pidfd, .events = POLLIN },
			                { .fd = pc->child.out, .events = POLLIN },
			                { .fd = s->serial && !t->input_ended ? STDIN_FILENO : -1, .events = POLLIN } };

		poll(fds, ARRAY_SIZE(fds), 200);
		child_listen(&pc->child);
		r = hear(pc, s->serial);
		if (r == 0 && fds[3].revents)
			r = read_keys(t, pc->serial);
	}
	/* its last words */
	return r < 0 ? r : hear(pc, s->serial);
}

/* ---- the machine */

static int choose_display(const struct state *s, const char **ret, struct err *e)
{
	const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
	int r;

	*ret = NULL;
	if (s->serial)
		return 0;
	if (!(x && *x) && !(wayland && *wayland))
		return fail(e, -ENOTTY, "there is no graphical session here for a window: use --serial");
	r = qemu_find_display(scratch_parent(), ret, e);
	if (r == 0 && !*ret)
		r = fail(e, -ENOENT, "QEMU cannot show a window: apt-get install qemu-system-gui, or use --serial");
	return r;
}

static int run_machine(const struct state *s, struct qemu_machine *m, struct err *e)
{
	struct terminal t = { 0 };
	struct qemu qemu;
	struct pc pc;
	int r = qemu_find(scratch_parent(), &qemu, e), end;

	if (r < 0)
		return r;
	m->kvm = qemu.kvm;
	if (!qemu.kvm)
		fprintf(stderr, "livestick: without KVM all is emulated, and slow\n");
	qemu_free(&qemu);
	r = qemu_open_vars(m->firmware, &m->vars, e);
	if (r == 0)
		r = qemu_start(m, &pc, e);
	if (r < 0)
		return r;
	if (s->serial)
		make_raw(&t);
	r = attend(s, &pc, &t);
	restore(&t);
	end = qemu_end(&pc, e);
	if (interrupted)
		return fail(e, -EINTR, "interrupted");
	return r < 0 ? fail(e, r, "standard output: %s", strerror(-r)) : end;
}

static int boot_device(const struct state *s, struct device *d, struct err *e)
{
	struct qemu_machine m = {
		.firmware = s->firmware,
		.memory = s->memory ? s->memory : MEMORY,
		.vars = -1,
		.stick = d,
		.display = s->display,
		.restarts = true,
	};
	int r = run_machine(s, &m, e);

	util_close(&m.vars);
	return r;
}

static int boot_written(struct state *s, struct err *e)
{
	AUTO_FREE char *name = escaped(s->target.path);
	struct target t;
	int r = target_open(&s->target, &t, e);

	if (r < 0)
		return r;
	fprintf(stderr, "livestick: %s: what is written stays%s\n", name,
	        s->serial ? "; its menu is as it is, and may not show on this terminal" : "");
	r = boot_device(s, t.device, e);
	if (r == 0)
		r = device_flush(t.device, e);
	target_free(&t);
	return r;
}

static int boot_overlay(struct state *s, struct err *e)
{
	AUTO_DEVICE struct device *d = NULL, *overlay = NULL;
	AUTO_FREE char *name = escaped(s->target.path), *no_console = NULL;
	struct stick stick = { 0 };
	int r = device_open(s->target.path, false, &d, e);

	if (r == 0)
		r = device_new_scratch(d, scratch_parent(), &overlay, e);
	if (r == 0 && s->serial)
		r = stick_read(d, &stick, e);
	if (r == 0 && s->serial)
		r = prove_add_console(overlay, &stick, &no_console, e);
	stick_free(&stick);
	if (r < 0)
		return r;
	fprintf(stderr, "livestick: %s: nothing is written to it, what the guest writes is forgotten\n", name);
	if (no_console)
		fprintf(stderr, "livestick: its entries have no serial console\n");
	r = boot_device(s, overlay, e);
	if (r == 0 && device_scratch_failed(overlay))
		r = fail(e, device_scratch_failed(overlay), "%s: what the guest has written found no room",
		         scratch_parent());
	return r;
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	struct state *s = state;
	struct least_power power = { 0 };
	const struct least_power_request limits = {
		.plan = { .target = argv,
		          .n_targets = 1,
		          .writes = s->target.writable,
		          .runs_programs = true,
		          .runs_qemu = true },
	};
	int r = choose_display(s, &s->display, e);

	(void)argc;
	s->target.path = argv[0];
	if (r == 0)
		r = least_power_begin(&limits, &power, e);
	if (r == 0)
		r = s->target.writable ? boot_written(s, e) : boot_overlay(s, e);
	least_power_end(&power);
	return r;
}

const struct verb verb_boot = {
	.name = "boot",
	.args = "TARGET",
	.help = "start a stick in QEMU, without writing to it",
	.min_args = 1,
	.max_args = 1,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
