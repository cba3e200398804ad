/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/prove_guest.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "src/base/progress.h"
#include "src/base/send.h"
#include "src/prove_login.h"

#define STEADY_MS   1000  /* a prompt that stands as long is one */
#define NUDGE_MS    10000 /* of silence, then Enter: messages of the kernel may have hidden a prompt */
#define NUDGES_MAX  4
#define QUIET_MS    60000 /* of silence on the console and on the stick: nothing more will come */
#define ANSWER_S    30    /* for a shell to say that it is one, emulated on a busy machine */
#define PROBES_MAX  4
#define SENTENCE_S  2    /* for the rest of the line that tells of an end */
#define NOT_YET     1000 /* no state of a guest */
#define COMMAND_MAX 2000 /* bytes: a terminal takes no longer lines */

struct guest {
	struct pc pc;
	struct console console;
	struct guest_facts facts;
	i64 begun, deadline;         /* milliseconds */
	i64 last_heard, last_action; /* on the console; on the stick */
	u64 requests;                /* of the stick, when last looked at */
	u64 looked;                  /* up to where the console was looked through for signs */
	unsigned nudges, probes;
	unsigned mark; /* a number for each command */
};

static i64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (i64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int guest_start(const struct qemu_machine *m, unsigned seconds, struct guest **ret, struct err *e)
{
	struct guest *g = xcalloc(1, sizeof(*g));
	int r = qemu_start(m, &g->pc, e);

	if (r < 0) {
		free(g);
		return r;
	}
	g->begun = g->last_heard = g->last_action = now_ms();
	g->deadline = g->begun + (i64)seconds * 1000;
	*ret = g;
	return 0;
}

const struct console *guest_console(const struct guest *g)
{
	return &g->console;
}

struct pc *guest_pc(struct guest *g)
{
	return &g->pc;
}

int guest_cut(struct guest *g, struct err *e)
{
	bool by_itself = child_has_ended(&g->pc.child);
	AUTO_ERR struct err why = { 0 };
	int r = qemu_end(&g->pc, &why);

	/* QEMU's own failure is in the facts. */
	if (r < 0 && !by_itself)
		return fail(e, r, "%s", why.text ? why.text : strerror(-r));
	return 0;
}

void guest_free(struct guest *g)
{
	AUTO_ERR struct err e = { 0 };

	guest_cut(g, &e);
	console_free(&g->console);
	free(g->facts.why);
	free(g->facts.kernel);
	free(g->facts.user);
	free(g);
}

/* ---- listening */

static void hear(struct guest *g)
{
	char piece[16 * KIB];
	ssize_t n = recv(g->pc.serial, piece, sizeof(piece), MSG_DONTWAIT);

	if (n <= 0)
		return;
	console_add(&g->console, piece, (size_t)n);
	g->last_heard = now_ms();
}

/* Takes what comes within some time; -EPIPE: QEMU has ended. */
static int listen_for(struct guest *g, int ms, struct err *e)
{
	struct pollfd fds[] = { { .fd = g->pc.serial, .events = POLLIN },
		                { .fd = g->pc.child.pidfd, .events = POLLIN },
		                { .fd = g->pc.child.out, .events = POLLIN } };
	u64 requests;

	if (interrupted)
		return fail(e, -EINTR, "interrupted");
	poll(fds, ARRAY_SIZE(fds), ms);
	if (fds[2].revents)
		child_listen(&g->pc.child);
	hear(g);
	requests = nbd_serve_counts(g->pc.server).requests;
	if (requests != g->requests)
		g->last_action = now_ms();
	g->requests = requests;
	if (child_has_ended(&g->pc.child)) {
		hear(g);
		child_listen(&g->pc.child);
		return -EPIPE;
	}
	return 0;
}

static int type(struct guest *g, const char *text)
{
	return send_all(g->pc.serial, text, strlen(text));
}

/*
 * Until the console says `words`, from `since` on; *ret_at (may be NULL) is where they are, good until the next call.
 * -ETIMEDOUT: it does not, or the time for the whole start is up.
 */
static int await_words(struct guest *g, const char *words, u64 since, unsigned seconds, const char **ret_at,
                       struct err *e)
{
	i64 until = MIN(now_ms() + (i64)seconds * 1000, g->deadline);

	for (;;) {
		const char *at = strstr(console_since(&g->console, since), words);
		int r;

		if (at) {
			if (ret_at)
				*ret_at = at;
			return 0;
		}
		if (now_ms() >= until)
			return -ETIMEDOUT;
		r = listen_for(g, 100, e);
		if (r < 0)
			return r;
	}
}

/* ---- signs of life and of death */

/* What is said by firmware and loaders that cannot go on; once a kernel runs, these words mean nothing. */
static const struct sign {
	const char *words, *means;
} early_deaths[] = {
	{ "grub rescue>", "GRUB did not find its files" },
	{ "Verification failed: ", "Secure Boot refused a loader or kernel" },
	{ "bad shim signature", "Secure Boot refused the kernel" },
	{ "Security Violation", "Secure Boot refused a loader or kernel" },
	{ "No bootable device", "the firmware found nothing to start" },
	{ "No bootable option or device was found", "the firmware found nothing to start" },
	{ "Missing operating system", "the boot code found no active partition" },
	{ "Operating system load error", "the boot code could not load the partition's boot sector" },
	{ "Boot error", "the boot sector could not load its loader" },
	{ "Failed to load ldlinux", "SYSLINUX did not find its module" },
	{ "Failed to load COM32 file", "SYSLINUX did not find a module" },
	{ "No DEFAULT or UI configuration directive found", "SYSLINUX has no menu" },
	{ "Booting kernel failed", "SYSLINUX could not start the kernel" },
	{ "Invalid or corrupt kernel image", "the kernel is none, or damaged" },
	{ "invalid magic number", "the kernel is none, or damaged" },
	{ "you need to load the kernel first", "GRUB could not load the kernel" },
};

/* And by a kernel and its initrd. */
static const struct sign deaths[] = {
	{ "Kernel panic - not syncing", "the kernel panicked" },
	{ "No working init found", "the kernel found no init" },
	{ "Unable to find a medium containing a live file system", "the initrd did not find the stick" },
	{ "\n(initramfs) ", "the initrd gave up and offers a shell" },
	{ "\ndracut:/# ", "the initrd gave up and offers a shell" },
	{ "\n[rootfs ]# ", "the initrd gave up and offers a shell" },
	{ "Entering emergency mode", "the system came up in emergency mode" },
	{ "You are in emergency mode", "the system came up in emergency mode" },
};

static bool find_sign(struct guest *g, const struct sign *sign, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		const char *at = strstr(text, sign[i].words);

		if (at) {
			g->facts.why = xstrdup(sign[i].means);
			g->facts.said = console_end(&g->console) - strlen(at) + strlen(sign[i].words) - 1;
			return true;
		}
	}
	return false;
}

static void take_kernel(struct guest *g, const char *text)
{
	static const char words[] = "Linux version ";
	const char *at = g->facts.kernel ? NULL : strstr(text, words);

	at = at ? at + strlen(words) : NULL;
	/* not before all of the word has come */
	if (at && at[strcspn(at, " \n")])
		g->facts.kernel = xstrndup(at, MIN(strcspn(at, " \n"), 64U));
}

/* True when it is dead. */
static bool look_for_signs(struct guest *g)
{
	/* what is looked for may have come in two pieces */
	const char *text = console_since(&g->console, g->looked > 200 ? g->looked - 200 : 0);

	take_kernel(g, text);
	g->facts.has_initrd = g->facts.has_initrd || strstr(text, "Run /init as init process");
	g->facts.timer_broke = g->facts.timer_broke || strstr(text, "IO-APIC + timer doesn't work");
	g->looked = console_end(&g->console);
	return (!g->facts.kernel && find_sign(g, early_deaths, ARRAY_SIZE(early_deaths), text)) ||
	       find_sign(g, deaths, ARRAY_SIZE(deaths), text);
}

static void note_end(struct guest *g)
{
	struct buf why = { 0 };
	const char *said = g->pc.child.output.s;

	g->facts.qemu_broke = *said && !console_end(&g->console);
	g->facts.kvm_broke = strstr(said, "KVM") || strstr(said, "kvm");
	if (*said)
		buf_addf(&why, "QEMU has ended: %.300s", said);
	else
		buf_adds(&why, "the guest switched the machine off, or restarted it");
	while (why.len && why.s[why.len - 1] == '\n')
		why.s[--why.len] = '\0';
	g->facts.why = why.s;
}

/* ---- a shell */

/* Whether what looks like a prompt is a shell's: 1, 0. No echo, no prompts and no history from now on. */
static int probe_shell(struct guest *g, struct err *e)
{
	u64 since = console_end(&g->console);
	AUTO_BUF struct buf line = { 0 }, answer = { 0 };
	int r;

	g->mark++;
	buf_addf(&line, "stty -echo; PS1= PS2=; unset HISTFILE PROMPT_COMMAND; printf '\\n%%s%%s\\n' @@ UP%u@\n",
	         g->mark);
	buf_addf(&answer, "\n@@UP%u@\n", g->mark);
	r = type(g, line.s);
	if (r == 0)
		r = await_words(g, answer.s, since, ANSWER_S, NULL, e);
	return r == -ETIMEDOUT ? 0 : r < 0 ? r : 1;
}

/*
 * The markers are put together by the guest, so that an echoed command cannot be taken for its output. What the command
 * may have in it is ours, and has no single quotes.
 */
int guest_run(struct guest *g, const char *command, unsigned seconds, struct buf *output, struct err *e)
{
	AUTO_BUF struct buf line = { 0 }, begin = { 0 }, end = { 0 };
	u64 since = console_end(&g->console);
	const char *at = NULL, *from;
	int r;

	g->mark++;
	/* A start has its time; a system that has started gets some more for its answers. */
	g->deadline = MAX(g->deadline, now_ms() + (i64)seconds * 1000);
	buf_addf(&line, "printf '\\n%%s%%s\\n' @@ B%u@; eval '%s' </dev/null; printf '\\n%%s%%s%%d@\\n' @@ E%u: $?\n",
	         g->mark, command, g->mark);
	buf_addf(&begin, "\n@@B%u@\n", g->mark);
	buf_addf(&end, "\n@@E%u:", g->mark);
	if (line.len > COMMAND_MAX)
		return fail(e, -E2BIG, "a command of %zu bytes", line.len);
	r = type(g, line.s);
	if (r == 0)
		r = await_words(g, end.s, since, seconds, &at, e);
	if (r == 0)
		r = await_words(g, "@\n", console_end(&g->console) - strlen(at) + end.len, seconds, NULL, e);
	if (r < 0)
		return fail(e, r, "a command in the guest: %s", strerror(-r));
	from = strstr(console_since(&g->console, since), begin.s);
	at = strstr(console_since(&g->console, since), end.s);
	buf_clear(output);
	if (from && from + begin.len <= at)
		buf_add(output, from + begin.len, (size_t)(at - from) - begin.len);
	buf_adds(output, "");
	return (int)MIN(strtoul(at + end.len, NULL, 10), 255UL);
}

/* ---- logging in */

enum { REFUSED, ENTERED, NO_ANSWER };

/* Until a prompt stands: for a password, for a name again, or a shell's. */
static int await_prompt(struct guest *g, u64 since, struct err *e)
{
	i64 until = MIN(now_ms() + (i64)ANSWER_S * 1000, g->deadline);

	for (;;) {
		const char *line = console_line(&g->console, since);
		int r;

		if (now_ms() - g->last_heard > STEADY_MS / 2) {
			if (strcasestr(line, "password:"))
				return 'p';
			if (console_wants_login(line))
				return 'l';
			if (console_wants_command(line))
				return '$';
		}
		if (now_ms() > until)
			return 0;
		r = listen_for(g, 100, e);
		if (r < 0)
			return r;
	}
}

static int answer_prompt(struct guest *g, const char *word, struct err *e)
{
	u64 since = console_end(&g->console);
	AUTO_BUF struct buf line = { 0 };
	int r;

	buf_addf(&line, "%s\n", word);
	r = type(g, line.s);
	/* the echo, so that what stood before is not taken for the answer */
	if (r == 0)
		r = await_words(g, "\n", since, ANSWER_S, NULL, e);
	return r < 0 && r != -ETIMEDOUT ? r : await_prompt(g, since, e);
}

/* 1: a shell answers. 0: that name is not let in, or nothing comes. */
static int try_login(struct guest *g, const struct login *l, struct err *e)
{
	int r = answer_prompt(g, l->user, e);

	if (r == 'p')
		r = answer_prompt(g, l->password, e);
	return r == '$' ? probe_shell(g, e) : MIN(r, 0);
}

static int log_in(struct guest *g, const char *family, struct err *e)
{
	const struct login *logins[LOGINS_MAX];
	size_t n = logins_of(family, logins);

	for (size_t i = 0; i < n; i++) {
		int r = try_login(g, logins[i], e);

		if (r == 1)
			g->facts.user = xstrdup(logins[i]->user);
		if (r != 0)
			return r;
		/* A prompt for a name is what the next one needs. */
		if (!console_wants_login(console_line(&g->console, 0)) && answer_prompt(g, "", e) != 'l')
			break;
	}
	return 0;
}

/* ---- watching */

/* A state that is reached, or NOT_YET; negative: an error. */
static int look_at_prompt(struct guest *g, const char *family, struct err *e)
{
	const char *line = console_line(&g->console, 0);
	int r;

	if (now_ms() - g->last_heard < STEADY_MS)
		return NOT_YET;
	if (console_wants_login(line) && g->facts.kernel) {
		r = log_in(g, family, e);
		return r < 0 ? r : r == 1 ? (int)GUEST_SHELL : (int)GUEST_LOGIN;
	}
	if (console_wants_command(line) && g->facts.kernel && g->probes < PROBES_MAX) {
		g->probes++;
		r = probe_shell(g, e);
		return r < 0 ? r : r == 1 ? (int)GUEST_SHELL : NOT_YET;
	}
	return NOT_YET;
}

static int look_at_silence(struct guest *g)
{
	i64 silent = now_ms() - MAX(g->last_heard, g->last_action);

	/* Not before a kernel: Enter would choose something in a loader's menu. */
	if (g->facts.kernel && g->nudges < NUDGES_MAX && now_ms() - g->last_heard > NUDGE_MS) {
		g->nudges++;
		g->last_heard = now_ms();
		type(g, "\n");
		return NOT_YET;
	}
	if (silent < QUIET_MS)
		return NOT_YET;
	return g->facts.kernel ? GUEST_QUIET : GUEST_MUTE;
}

static int next_state(struct guest *g, const char *family, struct err *e)
{
	int r = listen_for(g, 200, e);

	if (look_for_signs(g)) {
		if (r == 0)
			r = await_words(g, "\n", g->facts.said + 1, SENTENCE_S, NULL, e);
		return r == -EINTR ? r : (int)GUEST_DEAD;
	}
	if (r < 0)
		return r;
	if (strstr(g->pc.child.output.s, "KVM internal error")) {
		g->facts.kvm_broke = true;
		g->facts.why = xstrdup("KVM could not go on");
		return GUEST_ENDED;
	}
	r = look_at_prompt(g, family, e);
	if (r == NOT_YET)
		r = look_at_silence(g);
	if (r == NOT_YET && now_ms() > g->deadline)
		r = GUEST_LATE;
	return r;
}

int guest_watch(struct guest *g, const char *family, const struct guest_facts **ret, struct err *e)
{
	int state = NOT_YET;

	while (state == NOT_YET)
		state = next_state(g, family, e);
	if (state == -EPIPE) {
		note_end(g);
		state = GUEST_ENDED;
	}
	if (state == -ETIMEDOUT)
		state = GUEST_LATE;
	if (state < 0)
		return state;
	g->facts.state = (enum guest_state)state;
	g->facts.seconds = (double)(now_ms() - g->begun) / 1000;
	*ret = &g->facts;
	return 0;
}
