/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/qemu.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "src/base/buf.h"

#define QEMU "qemu-system-x86_64"

/* What QEMU has as its descriptors. */
enum { FD_STICK = 3, FD_SERIAL, FD_QMP, FD_SCREEN, FD_VARS, FD_VARS_READ, N_FDS = FD_VARS_READ + 1 - FD_STICK };

const char *const firmware_name[N_FIRMWARES] = { "bios", "uefi", "secureboot" };
const char *const firmware_title[N_FIRMWARES] = { "BIOS", "UEFI", "Secure Boot" };

int firmware_by_name(const char *name, enum firmware *ret)
{
	for (int i = 0; i < N_FIRMWARES; i++) {
		if (strcmp(firmware_name[i], name) == 0) {
			*ret = (enum firmware)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- firmware */

/* Where packages put them: the one with 4 MiB of flash first, which newer ones have alone. */
static const struct {
	enum firmware firmware;
	const char *code, *vars;
} ovmf[] = {
	{ FIRMWARE_UEFI, "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
	{ FIRMWARE_UEFI, "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
	{ FIRMWARE_SECUREBOOT, "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd" },
	{ FIRMWARE_SECUREBOOT, "/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd" },
};

/* -1: this host has none. */
static int find_ovmf(enum firmware f)
{
	for (int i = 0; i < (int)ARRAY_SIZE(ovmf); i++)
		if (ovmf[i].firmware == f && access(ovmf[i].code, R_OK) == 0 && access(ovmf[i].vars, R_OK) == 0)
			return i;
	return -1;
}

static int copy_file(int to, const char *path, struct err *e)
{
	AUTO_CLOSE int from = open(path, O_RDONLY | O_CLOEXEC);
	char piece[64 * KIB];
	ssize_t n = -1;

	while (from >= 0 && (n = read(from, piece, sizeof(piece))) > 0)
		if (write(to, piece, (size_t)n) != n)
			return fail(e, -errno, "%s: cannot be copied: %s", path, strerror(errno));
	return n < 0 ? fail(e, -errno, "%s: %s", path, strerror(errno)) : 0;
}

int qemu_open_vars(enum firmware f, int *ret, struct err *e)
{
	int found, fd, r;

	*ret = -1;
	if (f == FIRMWARE_BIOS)
		return 0;
	found = find_ovmf(f);
	if (found < 0)
		return fail(e, -ENOENT, "UEFI firmware for virtual machines is not installed: apt-get install ovmf");
	fd = memfd_create("livestick-vars", MFD_CLOEXEC);
	if (fd < 0)
		return fail(e, -errno, "memfd: %s", strerror(errno));
	r = copy_file(fd, ovmf[found].vars, e);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

/* ---- the command line */

static void add(struct qemu_argv *a, const char *arg)
{
	if (a->n)
		a->n--; /* the NULL at the end */
	*ARRAY_ADD(a->arg, a->n, a->cap) = xstrdup(arg);
	*ARRAY_ADD(a->arg, a->n, a->cap) = NULL;
}

static void add_pair(struct qemu_argv *a, const char *option, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void add_pair(struct qemu_argv *a, const char *option, const char *fmt, ...)
{
	char value[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	add(a, option);
	add(a, value);
}

/*
 * Emulated, "max" would cost every boot twice its time (AVX); without RDRAND getrandom() waits for minutes.
 * graphics=off has SeaBIOS show on the serial port, too, what BIOS loaders print.
 */
static void add_machine(const struct qemu_machine *m, struct qemu_argv *a)
{
	static const char *const type[N_FIRMWARES] = { "pc", "q35", "q35,smm=on" };

	add_pair(a, "-accel", "%s", m->kvm ? "kvm" : "tcg");
	add_pair(a, "-cpu", "%s", m->kvm ? "host" : "qemu64,+rdrand");
	add_pair(a, "-machine", "%s,graphics=off", type[m->firmware]);
	add_pair(a, "-smp", "%d", 2);
	add_pair(a, "-m", "%lluM", (unsigned long long)(m->memory / MIB));
	add(a, "-nodefaults");
	add(a, "-no-user-config");
	if (!m->restarts)
		add(a, "-no-reboot");
	add_pair(a, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void add_firmware(const struct qemu_machine *m, struct qemu_argv *a)
{
	int found = m->firmware == FIRMWARE_BIOS ? -1 : find_ovmf(m->firmware);

	if (found < 0)
		return;
	add_pair(a, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=%s", ovmf[found].code);
	/* It is opened for reading first, and then for both. */
	add_pair(a, "-add-fd", "set=%d,fd=%d", FD_VARS, FD_VARS_READ);
	add_pair(a, "-add-fd", "set=%d,fd=%d", FD_VARS, FD_VARS);
	add_pair(a, "-drive", "if=pflash,unit=1,format=raw,file.locking=off,file=/dev/fdset/%d", FD_VARS);
	if (m->firmware == FIRMWARE_SECUREBOOT)
		add_pair(a, "-global", "driver=cfi.pflash01,property=secure,value=on");
}

static void add_stick(const struct qemu_machine *m, struct qemu_argv *a)
{
	u32 size = m->stick->sector_size;
	bool usb = size == 512;

	add_pair(a, "-drive", "if=none,id=stick,format=raw,file.driver=nbd,file.server.type=fd,file.server.str=%d",
	         FD_STICK);
	if (usb)
		add_pair(a, "-device", "qemu-xhci");
	add_pair(a, "-device", "%s,drive=stick,bootindex=0,logical_block_size=%u,physical_block_size=%u",
	         usb ? "usb-storage,removable=on" : "virtio-blk-pci", size, size);
}

void qemu_argv(const struct qemu_machine *m, struct qemu_argv *ret)
{
	struct qemu_argv a = { 0 };

	add(&a, QEMU);
	add_machine(m, &a);
	add_firmware(m, &a);
	add_stick(m, &a);
	add_pair(&a, "-vga", "std");
	add_pair(&a, "-display", "%s", m->display ? m->display : "none");
	if (m->display) {
		add_pair(&a, "-name", "livestick");
		/* on the bus of the stick, else on one of its own */
		if (m->stick->sector_size != 512)
			add_pair(&a, "-device", "qemu-xhci");
		add_pair(&a, "-device", "usb-tablet");
	}
	add_pair(&a, "-chardev", "socket,id=serial,fd=%d", FD_SERIAL);
	add_pair(&a, "-serial", "chardev:serial");
	add_pair(&a, "-chardev", "socket,id=qmp,fd=%d", FD_QMP);
	add_pair(&a, "-mon", "chardev=qmp,mode=control");
	add_pair(&a, "-add-fd", "set=%d,fd=%d", FD_SCREEN, FD_SCREEN);
	*ret = a;
}

void qemu_argv_free(struct qemu_argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->arg[i]);
	free(a->arg);
	*a = (struct qemu_argv){ 0 };
}

/* ---- a run */

/* The display's own variables. */
static const char *const keep[] = { "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", NULL };

/* A second descriptor of a nameless file: QEMU wants those that fit what it does. -1: errno tells. */
static int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* Our ends of what QEMU talks to go into *pc, its ends into fds[FD_... - FD_STICK]. */
static int open_ends(const struct qemu_machine *m, struct pc *pc, int *fds, struct err *e)
{
	int pair[2];
	int r = nbd_serve_start(m->stick, &pc->server, &fds[0], e);

	if (r < 0)
		return r;
	for (int i = FD_SERIAL; i <= FD_QMP; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return fail(e, -errno, "socketpair: %s", strerror(errno));
		*(i == FD_SERIAL ? &pc->serial : &pc->qmp.fd) = pair[0];
		fds[i - FD_STICK] = pair[1];
	}
	pc->screen = memfd_create("livestick-screen", MFD_CLOEXEC);
	if (pc->screen < 0)
		return fail(e, -errno, "memfd: %s", strerror(errno));
	fds[FD_SCREEN - FD_STICK] = open_again(pc->screen, O_WRONLY);
	if (m->vars >= 0) {
		fds[FD_VARS - FD_STICK] = open_again(m->vars, O_RDWR);
		fds[FD_VARS_READ - FD_STICK] = open_again(m->vars, O_RDONLY);
	}
	for (int i = 0; i < (m->vars < 0 ? FD_VARS - FD_STICK : N_FDS); i++)
		if (fds[i] < 0)
			return fail(e, -EIO, "/proc/self/fd: files of QEMU's cannot be opened again");
	return 0;
}

int qemu_start(const struct qemu_machine *m, struct pc *ret, struct err *e)
{
	int fds[N_FDS] = { -1, -1, -1, -1, -1, -1 };
	struct pc pc = { .child = { .pidfd = -1, .out = -1 }, .serial = -1, .qmp = { .fd = -1 }, .screen = -1 };
	struct qemu_argv argv;
	int r = open_ends(m, &pc, fds, e);

	qemu_argv(m, &argv);
	if (r == 0)
		r = spawn_start(&(struct spawn){ .argv = (const char *const *)argv.arg,
		                                 .package = "qemu-system-x86",
		                                 .fds = fds,
		                                 .n_fds = m->vars < 0 ? FD_VARS - FD_STICK : N_FDS,
		                                 .keep = m->display ? keep : NULL },
		                &pc.child, e);
	for (int i = 0; i < N_FDS; i++)
		util_close(&fds[i]);
	pc.child.name = QEMU;
	qemu_argv_free(&argv);
	if (r < 0) {
		AUTO_ERR struct err other = { 0 };

		qemu_end(&pc, &other);
		return r;
	}
	*ret = pc;
	return 0;
}

int qemu_screenshot(struct pc *pc, void **ret_png, size_t *ret_len, struct err *e)
{
	static const char command[] = "{\"execute\":\"screendump\",\"arguments\":"
	                              "{\"filename\":\"/dev/fdset/6\",\"format\":\"png\"}}\n";
	static const u8 signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
	AUTO_FREE u8 *png = NULL;
	struct stat st;
	ssize_t n;
	int r;

	static_assert(FD_SCREEN == 6, "the descriptor in the command");
	if (ftruncate(pc->screen, 0) < 0)
		return fail(e, -errno, "screenshot: %s", strerror(errno));
	r = qmp_command(&pc->qmp, command, 20, e);
	if (r < 0)
		return fail(e, r, "screenshot");
	if (fstat(pc->screen, &st) < 0 || st.st_size < (off_t)sizeof(signature) || st.st_size > (off_t)(64 * MIB))
		return fail(e, -EIO, "screenshot: QEMU wrote none");
	png = xcalloc(1, (size_t)st.st_size);
	n = pread(pc->screen, png, (size_t)st.st_size, 0);
	if (n != st.st_size || memcmp(png, signature, sizeof(signature)) != 0)
		return fail(e, -EIO, "screenshot: what QEMU wrote is no PNG");
	*ret_png = TAKE(png);
	*ret_len = (size_t)n;
	return 0;
}

int qemu_end(struct pc *pc, struct err *e)
{
	AUTO_ERR struct err of_stick = { 0 };
	int r = child_end(&pc->child, e), stick = 0;

	if (pc->server)
		stick = nbd_serve_stop(pc->server, &of_stick);
	if (stick < 0 && r == 0) {
		r = stick;
		*e = of_stick;
		of_stick = (struct err){ 0 };
	}
	util_close(&pc->serial);
	util_close(&pc->qmp.fd);
	util_close(&pc->screen);
	qmp_free(&pc->qmp);
	*pc = (struct pc){ .child = { .pidfd = -1, .out = -1 }, .serial = -1, .qmp = { .fd = -1 }, .screen = -1 };
	return r;
}
