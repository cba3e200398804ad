/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The boot menu, whatever loader it was written for: entries with a title, a kernel, initrds, arguments. Read from
 * the source's own configuration, changed by the plan, written for our loaders. Pure data: no I/O here.
 */
#ifndef LIVESTICK_BOOTINST_MENU_H
#define LIVESTICK_BOOTINST_MENU_H

#include "src/base/buf.h"
#include "src/base/err.h"

/* The kernel's COMMAND_LINE_SIZE on x86 without the NUL; it cuts off what is longer without a word. */
#define MENU_ARGS_MAX  2047
#define MENU_ID_MAX    32
#define MENU_TITLE_MAX 255 /* bytes; SYSLINUX would take the end of a long line for another one */

struct menu_entry {
	char *id;       /* unique in the menu: 1 to MENU_ID_MAX of a-z 0-9 - _, no digit first (GRUB: a number) */
	char *title;    /* what the user sees: the distribution's words as menu_one_line(), hotkey marks removed */
	char *submenu;  /* the title of the submenu that holds it, see menu_submenu(); NULL: top level */
	char *kernel;   /* absolute path in the source tree */
	char **initrds; /* absolute paths, in order */
	size_t n_initrds, cap_initrds;
	char *args; /* kernel command line as menu_args() makes it */
	bool is_default;
};

struct menu {
	struct menu_entry *entry;
	size_t n, cap;
	unsigned timeout_ds; /* tenths of a second; 0: waits for ever */
	char *title;         /* NULL: none */
};

struct menu_entry *menu_add(struct menu *m);
void menu_entry_add_initrd(struct menu_entry *e, const char *path);
void menu_drop_last(struct menu *m);
void menu_free(struct menu *m);

/* An id made of `label` that no entry of `m` has yet: "Live (amd64)" -> "live-amd64", "live-amd64-2". The caller frees.
 */
MUST_CHECK char *menu_new_id(const struct menu *m, const char *label);

/*
 * A title as one line: valid UTF-8, blanks and control characters squeezed into one blank, none at the ends, cut off
 * at MENU_TITLE_MAX. The caller frees.
 */
MUST_CHECK char *menu_one_line(const char *text);

/* The name of the submenu `title` within `outer` (NULL: top level): "Outer: Title", as one line. The caller frees. */
MUST_CHECK char *menu_submenu(const char *outer, const char *title);

/*
 * A kernel command line without initrd= and BOOT_IMAGE=, which loaders add, without control characters, and with one
 * blank between words. The caller frees.
 */
MUST_CHECK char *menu_args(const char *line);

/* Makes entry `i` the only default. */
void menu_set_default(struct menu *m, size_t i);

/*
 * The absolute path of what a configuration calls `path` when its own directory is `dir`: "::" taken off the front,
 * "//", "." and ".." resolved. -EINVAL when it leads out of the tree. The caller frees.
 */
MUST_CHECK int menu_path(const char *dir, const char *path, char **ret, struct err *e);

/* Whether a file of `len` characters that is loaded like a kernel is one: memory tests, network loaders are not. */
bool menu_is_linux(const char *kernel, size_t len);

/*
 * Reads an isolinux/syslinux configuration. `load` gives the text of a file of the source by absolute path (the
 * caller frees), or -ENOENT. `path` is the first file; relative paths count from its directory.
 * Read, as SYSLINUX 6.04 does (com32/menu/readconfig.c): LABEL, KERNEL/LINUX, INITRD, APPEND (of a label, replacing the
 * global one; "APPEND -"), MENU LABEL, MENU TITLE, MENU HIDE, MENU DISABLE, DEFAULT, MENU DEFAULT, ONTIMEOUT, TIMEOUT,
 * INCLUDE, MENU INCLUDE, MENU BEGIN/END, TEXT HELP..ENDTEXT (skipped). A submenu is called what the menu around it
 * calls it: MENU LABEL, else the first MENU TITLE, else the words after MENU BEGIN.
 * Entries that are not a Linux kernel (COM32 modules, memtest, LOCALBOOT, CONFIG) are left out; only when none is left,
 * CONFIG is followed, to where whichsys.c32 would lead an ISO. An included file that does not exist is skipped.
 * With entries exactly one is the default. None at all is no error: *ret is then empty.
 * Bounded: 64 files, 16 deep, 1 MiB each, lines of 4 KiB, 1000 entries, 1000 submenus, 16 deep; a file that includes
 * itself is -ELOOP.
 * Errors are classed EXIT_SOURCE and name file and line.
 */
struct menu_loader {
	int (*load)(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e);
	void *ctx;
};
MUST_CHECK int menu_read_syslinux(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e);

/*
 * Reads a GRUB configuration: the part of GRUB 2.06's language that decides what a menu is. Run, like a script, are
 * quoting, variables, if, for, while, until, functions, eval, `[`, source, configfile, search, regexp (simple ones);
 * other commands do nothing. Devices in paths are passed over: ($root), (cd0), (hd0), (loop), (memdisk) are all names
 * of the medium, and what is on another disk will not be found on it. Run as on a PC with UEFI; as on one with a BIOS
 * when that gives no entry. `load` returns -EISDIR for a directory, for `[ -d ]`.
 * Bodies of entries are run after the whole configuration, those of submenus and what `configfile` leads to in their
 * place. Left out are entries that load no Linux kernel, and the second of two that load the same with the same
 * arguments. Words that would name the ISO's file ("findiso=${iso_path}") are dropped.
 * With entries exactly one is the default. None at all is no error: *ret is then empty. No timeout: 0; timeout 0: 1 s.
 * Bounded: 200,000 steps, 64 files, 16 deep, 1 MiB each, values of 64 KiB, 1000 entries. A while ends after 1000
 * rounds. Errors are classed EXIT_SOURCE and name file and line. What is not finished at the end of a file is not run.
 */
MUST_CHECK int menu_read_grub(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e);

/*
 * Reads entries of the Boot Loader Specification, type 1 (/loader/entries/NAME.conf), in systemd-boot's order. Paths
 * count from the root of the tree. Left out are entries without `linux` and those for other machines than x64.
 * `default_name`: loader.conf's pattern, matched with NAME and NAME.conf; NULL, or no match: the first is the default.
 * An entry file that does not exist is an error, no entries at all are none. The timeout is left at 0.
 */
MUST_CHECK int menu_read_bls(const struct menu_loader *l, const char *const *entry_paths, size_t n,
                             const char *default_name, struct menu *ret, struct err *e);

/*
 * `default` and `timeout` of systemd-boot's loader.conf, which need not exist. *ret_default is NULL if there is none,
 * the caller frees; a boot at once (as without a timeout) becomes 1 s.
 */
MUST_CHECK int menu_read_loader_conf(const struct menu_loader *l, const char *path, char **ret_default,
                                     unsigned *ret_timeout_ds, struct err *e);

/*
 * What we write, all in /livestick:
 *
 *	SYSLINUX        GRUB
 *	syslinux.cfg    grub.cfg        timeout, then switch.cfg
 *	         switch.cfg             which entry starts by itself, and the slots in the order in which they are shown
 *	a.cfg           a.grub          the entries of slot a
 *	b.cfg           b.grub          of slot b
 *
 * The files of a slot do not depend on the loader that reads them or on the other slot, so that an upgrade writes those
 * of its own slot and nothing else.
 *
 * Entries keep their order; those of one submenu stand together, where the first of them is. The default entry is
 * always at the top level. No entry is marked as the default: switch.cfg, one sector that both loaders read, says that.
 *
 * Writers of entries fail with -EINVAL on control characters in a path or in arguments, and with -E2BIG on a command
 * line that is longer, with the loader's own additions, than the kernel takes.
 */

/*
 * For SYSLINUX, which was installed into the same directory (syslinux_patch()): it looks there first, and relative
 * names count from there. Titles are put into ASCII, for the screen of a BIOS. A submenu ends with an entry "Back".
 * -EINVAL also: a path with a blank or comma, which SYSLINUX cannot load.
 */
MUST_CHECK int menu_write_syslinux(const struct menu *m, struct buf *out, struct err *e);

/* syslinux.cfg: timeout (tenths of a second; 0: waits for ever), menu.c32, INCLUDE of switch.cfg. `serial`: the menu is
 * shown on the first serial port too, at 115200. */
void menu_write_syslinux_top(unsigned timeout_ds, bool serial, struct buf *out);

/*
 * For GRUB 2.02 and later. Linux is loaded by "$linux" and "$initrd", which grub.cfg has set.
 * GRUB puts a backslash before quotes and backslashes in arguments, which the kernel does not take off (see
 * grub_create_loader_cmdline() in its lib/cmdline.c). Where Linux will therefore not get what `args` means, a sentence
 * and a newline are added to `warnings`.
 */
MUST_CHECK int menu_write_grub(const struct menu *m, struct buf *out, struct buf *warnings, struct err *e);

/* grub.cfg: timeout, and the other files. Paths count from $root, which the stub has set. `linux_command` is "linux",
 * or "linuxefi" for the GRUBs of some distributions. */
void menu_write_grub_top(unsigned timeout_ds, const char *linux_command, struct buf *out);

/*
 * What stands at every path where some GRUB looks for its configuration: finds the file system with /livestick by
 * UUID, in the spelling of udev, or takes the one that GRUB started from.
 */
void menu_write_grub_stub(const char *boot_uuid, struct buf *out);

#define MENU_SWITCH_SIZE 512
#define MENU_PREVIOUS    "Previous system" /* the submenu that the other slot is in */

/* What switch.cfg says. */
struct menu_switch {
	char default_id[MENU_ID_MAX + 1]; /* an entry of `slot` */
	char slot;                        /* 'a' or 'b' */
	char previous;                    /* the other one, when it is to be shown; else 0 */
};

/*
 * switch.cfg is one sector, so that it can be changed by one write in place. Its words are keywords of SYSLINUX, and
 * functions in our grub.cfg; blanks and empty lines mean nothing to both.
 */
void menu_write_switch(const struct menu_switch *s, char ret_sector[MENU_SWITCH_SIZE]);
/* -EINVAL: it is not what menu_write_switch() makes; the sentence goes on behind a name. */
MUST_CHECK int menu_read_switch(const char *text, size_t len, struct menu_switch *ret, struct err *e);

#endif
