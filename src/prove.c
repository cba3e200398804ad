/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/prove.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "src/base/scratch.h"
#include "src/plan.h"
#include "src/prove_menu.h"
#include "src/prove_parts.h"

#define SECONDS_KVM      120
#define SECONDS_EMULATED 900
#define MEMORY           (2 * GIB)
#define TRIES            3 /* of a start that the emulator itself has spoilt */

static void say(const struct proof *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(const struct proof *p, const char *fmt, ...)
{
	char line[300];
	va_list args;

	if (!p->q->say)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	progress_break(p->progress);
	p->q->say(p->q->ctx, line);
}

/* ---- one start */

static int save(const char *path, const void *bytes, size_t len, struct err *e)
{
	FILE *f = fopen(path, "wbe");
	bool good = f && fwrite(bytes, 1, len, f) == len;

	if (f && fclose(f) != 0)
		good = false;
	return good ? 0 : fail(e, -EIO, "%s: cannot be written: %s", path, strerror(errno));
}

/* A picture that is missing is no verdict on the stick: it is said, and that is all. */
static void take_picture(const struct proof *p, int which, struct guest *g)
{
	AUTO_BUF struct buf path = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE void *png = NULL;
	size_t len = 0;
	int r;

	if (!p->q->screenshots || child_has_ended(&guest_pc(g)->child))
		return;
	buf_addf(&path, "%s/%s%s.png", p->q->screenshots, firmware_name[p->firmware], which == 1 ? "" : "-again");
	r = qemu_screenshot(guest_pc(g), &png, &len, &e);
	if (r == 0)
		r = save(path.s, png, len, &e);
	if (r < 0 && r != -EINTR)
		say(p, "%s: %s", firmware_title[p->firmware], e.text);
}

/* A new overlay, with a console in its menus. -ENOSPC and the like: of the directory for temporary files. */
static int make_overlay(struct proof *p, struct err *e)
{
	int r;

	device_free(p->overlay);
	p->overlay = NULL;
	free(p->no_console);
	p->no_console = NULL;
	r = device_new_scratch(p->stick, p->tmpdir, &p->overlay, e);
	return r == 0 ? prove_add_console(p->overlay, p->facts, &p->no_console, e) : r;
}

static unsigned seconds_of(const struct proof *p)
{
	return p->q->seconds ? p->q->seconds : p->qemu->kvm ? SECONDS_KVM : SECONDS_EMULATED;
}

static int start_once(struct proof *p, int which, struct guest **ret, const struct guest_facts **ret_facts,
                      struct err *e)
{
	const struct qemu_machine m = {
		.firmware = p->firmware,
		.kvm = p->qemu->kvm,
		.memory = p->q->memory ? p->q->memory : MEMORY,
		.vars = p->vars,
		.stick = p->overlay,
	};
	struct guest *g;
	int r = guest_start(&m, seconds_of(p), &g, e);

	if (r < 0)
		return r;
	*(which == 1 ? &p->first : &p->second) = time(NULL);
	r = guest_watch(g, p->family ? p->family->name : NULL, ret_facts, e);
	if (r < 0) {
		guest_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

/*
 * A start that QEMU itself has spoilt is tried again: without KVM where that broke; emulated once more where its timer
 * stood still. What the guest wrote until then is nothing, or what a cut may leave.
 */
static int start(struct proof *p, int which, struct guest **ret, const struct guest_facts **ret_facts, struct err *e)
{
	for (int tries = TRIES;; tries--) {
		int r = which == 1 ? make_overlay(p, e) : 0;

		if (r == 0)
			r = start_once(p, which, ret, ret_facts, e);
		if (r < 0)
			return r;
		if (tries == 1 || !((p->qemu->kvm && (*ret_facts)->kvm_broke) || (*ret_facts)->timer_broke))
			return 0;
		if ((*ret_facts)->kvm_broke)
			p->qemu->kvm = false;
		say(p, "%s: %s: trying again%s", firmware_title[p->firmware],
		    (*ret_facts)->kvm_broke ? "KVM cannot go on" : "the emulated timer stood still",
		    (*ret_facts)->kvm_broke ? ", emulated" : "");
		guest_free(*ret);
	}
}

/* ---- one firmware */

/* The power is cut; what the stick itself or the host could not do has a verdict of its own. False: no more of this. */
static bool cut_power(struct proof *p, struct guest *g)
{
	AUTO_ERR struct err e = { 0 };
	int r = guest_cut(g, &e), failed = device_scratch_failed(p->overlay);

	if (failed) {
		checks_add(p->c, prove_boot_id[p->firmware], CHECK_UNKNOWN,
		           "%s: %s: what the guest writes finds no room", p->tmpdir, strerror(-failed));
		return false;
	}
	if (r < 0)
		checks_add(p->c, prove_boot_id[p->firmware], CHECK_BAD, "while it was running: %s", e.text);
	return r == 0;
}

static int first_start(struct proof *p, bool *ret_go_on, struct err *e)
{
	const struct guest_facts *f;
	struct guest *g;
	int r;

	say(p, "%s: starting%s, up to %u s", firmware_title[p->firmware], p->qemu->kvm ? "" : ", emulated",
	    seconds_of(p));
	r = start(p, 1, &g, &f, e);
	if (r < 0)
		return r;
	take_picture(p, 1, g);
	if (!prove_keeps_nothing(p))
		r = prove_plant(p, g, f, e);
	*ret_go_on = cut_power(p, g) && r == 0 && prove_judge_start(p, 1, g, f) && !prove_keeps_nothing(p);
	guest_free(g);
	return r;
}

static int second_start(struct proof *p, struct err *e)
{
	const struct guest_facts *f;
	struct guest *g;
	bool started;
	int asked, r;

	say(p, "%s: power cut, starting again", firmware_title[p->firmware]);
	r = start(p, 2, &g, &f, e);
	if (r < 0)
		return r;
	take_picture(p, 2, g);
	asked = prove_ask(p, g, f, e);
	started = cut_power(p, g) && asked != -EINTR && prove_judge_start(p, 2, g, f);
	guest_free(g);
	if (asked == -EINTR)
		return asked;
	return started ? prove_judge_persistence(p, asked, e) : 0;
}

static void forget(struct proof *p)
{
	device_free(p->overlay);
	util_close(&p->vars);
	free(p->no_console);
	free(p->path);
}

/* What this host cannot do is UNKNOWN, and the others go on. */
static int prove_firmware(struct proof *p, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	bool go_on = false;
	int r = qemu_open_vars(p->firmware, &p->vars, &why);

	if (r == 0)
		r = first_start(p, &go_on, &why);
	if (r == 0 && go_on)
		r = second_start(p, &why);
	if (r == -EINTR)
		return fail(e, r, "interrupted");
	if (r < 0)
		checks_add(p->c, prove_boot_id[p->firmware], CHECK_UNKNOWN, "%s", why.text ? why.text : strerror(-r));
	return 0;
}

/* ---- all of them */

int prove_choose(const char *words, const struct stick *s, bool ret[N_FIRMWARES], struct err *e)
{
	bool chosen[N_FIRMWARES] = { false };
	enum firmware f;

	if (!words) {
		chosen[FIRMWARE_BIOS] = !s->is_ours || stick_has_file(s, STICK_DIR "/syslinux.cfg");
		chosen[FIRMWARE_UEFI] = !s->is_ours || stick_has_file(s, GRUB_CFG);
	}
	while (words) {
		size_t len = strcspn(words, ",");
		AUTO_FREE char *word = xstrndup(words, len);

		if (strcmp(word, "all") == 0)
			memset(chosen, true, sizeof(chosen));
		else if (firmware_by_name(word, &f) == 0)
			chosen[f] = true;
		else
			return fail_as(e, EXIT_USAGE, -EINVAL, "--boot: \"%s\" is none of bios, uefi, secureboot, all",
			               word);
		words = words[len] ? words + len + 1 : NULL;
	}
	memcpy(ret, chosen, sizeof(chosen));
	return 0;
}

static const struct family *family_of(const struct stick *s)
{
	const struct manifest *m = s->menu_switch.slot == 'b' ? &s->slot[SLOT_B] : &s->slot[SLOT_A];
	const char *name = s->is_ours ? manifest_get(m, "family") : NULL;

	return name ? family_by_name(name) : NULL;
}

static int without_qemu(const struct prove_request *q, struct checks *c, int r, struct err *why, struct err *e)
{
	if (r == -EINTR)
		return fail(e, r, "interrupted");
	for (int i = 0; i < N_FIRMWARES; i++)
		if (q->firmware[i])
			checks_add(c, prove_boot_id[i], CHECK_UNKNOWN, "%s", why->text);
	return 0;
}

int prove_make_dir(const struct prove_request *q, struct err *e)
{
	if (q->screenshots && mkdir(q->screenshots, 0777) < 0 && errno != EEXIST)
		return fail(e, -errno, "%s: %s", q->screenshots, strerror(errno));
	return 0;
}

int prove_boot(struct device *d, const struct stick *s, const struct prove_request *q, struct progress *p,
               struct checks *c, struct err *e)
{
	const char *tmpdir = scratch_parent();
	AUTO_ERR struct err why = { 0 };
	struct qemu qemu;
	int r;

	r = qemu_find(tmpdir, &qemu, &why);
	if (r < 0)
		return without_qemu(q, c, r, &why, e);
	for (int i = 0; r == 0 && i < N_FIRMWARES; i++) {
		struct proof proof = {
			.stick = d,
			.facts = s,
			.q = q,
			.progress = p,
			.c = c,
			.qemu = &qemu,
			.tmpdir = tmpdir,
			.firmware = (enum firmware)i,
			.family = family_of(s),
			.vars = -1,
		};

		if (q->firmware[i])
			r = prove_firmware(&proof, e);
		forget(&proof);
	}
	qemu_free(&qemu);
	return r;
}
