/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A PC in QEMU that has a stick and nothing else. The stick, the serial console, the monitor, the screen and what the
 * firmware remembers are descriptors of ours: QEMU opens nothing but its own files, so that it can neither harm the
 * stick nor needs a right to it.
 *
 *	r = qemu_find(dir, &qemu, e);                     once: is it there, does KVM work
 *	r = qemu_open_vars(FIRMWARE_UEFI, &vars, e);      the firmware's memory, for all boots of one machine
 *	r = qemu_start(&qemu, &machine, &pc, e);
 *	... pc.serial, pc.child ...
 *	r = qemu_end(&pc, e);                             as if the power was cut
 */
#ifndef LIVESTICK_QEMU_H
#define LIVESTICK_QEMU_H

#include "src/base/spawn.h"
#include "src/media/device.h"
#include "src/media/nbd_serve.h"
#include "src/qmp.h"

enum firmware { FIRMWARE_BIOS, FIRMWARE_UEFI, FIRMWARE_SECUREBOOT, N_FIRMWARES };

/* As the command line calls them: "bios", "uefi", "secureboot"; and as people do. */
extern const char *const firmware_name[N_FIRMWARES];
extern const char *const firmware_title[N_FIRMWARES];
/* -EINVAL, with no sentence. */
MUST_CHECK int firmware_by_name(const char *name, enum firmware *ret);

struct qemu {
	bool kvm;      /* else all is emulated, some ten times slower */
	char *why_not; /* why not KVM, in a sentence; NULL: it works */
};

/*
 * -ENOENT: it is not installed; the sentence names the package. KVM is tried with a tiny guest that goes through the
 * processor's modes, with a time limit, because some /dev/kvm can be opened and then hang, or stumble over an
 * instruction. `dir` is for temporary files.
 */
MUST_CHECK int qemu_find(const char *dir, struct qemu *ret, struct err *e);
void qemu_free(struct qemu *q);

/*
 * Whether this host has the firmware, -ENOENT: the sentence names the package; and a new memory for its variables, with
 * Microsoft's keys for Secure Boot. *ret is -1 for a BIOS, which has none.
 */
MUST_CHECK int qemu_open_vars(enum firmware f, int *ret, struct err *e);

struct qemu_machine {
	enum firmware firmware;
	bool kvm;
	u64 memory; /* bytes */
	int vars;   /* of qemu_open_vars() */
	/* A drive on USB 3, or with sectors of 4096 bytes one on PCI: OVMF reads no others. */
	struct device *stick; /* the guest reads and writes it, by a thread of its own, until qemu_end() */
	const char *display;  /* "gtk", "sdl"; NULL: none */
	bool restarts;        /* the guest may restart the machine; else QEMU ends then */
};

/* "gtk" or "sdl", what QEMU can do here; NULL: no window. -EINTR. */
MUST_CHECK int qemu_find_display(const char *dir, const char **ret, struct err *e);

struct pc {
	struct child child;
	struct nbd_server *server;
	int serial; /* the first serial port, both ways */
	struct qmp qmp;
	int screen; /* what a screendump is written to */
};

MUST_CHECK int qemu_start(const struct qemu_machine *m, struct pc *ret, struct err *e);

/* The screen as it is now, as PNG (QEMU 7.1 and later); the caller frees. */
MUST_CHECK int qemu_screenshot(struct pc *pc, void **ret_png, size_t *ret_len, struct err *e);

/*
 * Ends it at once if it runs still. An error of QEMU's own, or of the stick. Does nothing more to what was ended.
 */
int qemu_end(struct pc *pc, struct err *e);

/* ---- for tests */

/* Whether a tiny guest runs with this accelerator and processor; see qemu_find(). */
MUST_CHECK int qemu_probe(const char *accel, const char *cpu, const char *dir, struct err *e);

struct qemu_argv {
	char **arg;
	size_t n, cap;
};

/* The command line; the descriptors in it are those that qemu_start() gives. NULL-terminated. */
void qemu_argv(const struct qemu_machine *m, struct qemu_argv *ret);
void qemu_argv_free(struct qemu_argv *a);

#endif
