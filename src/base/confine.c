/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "src/base/confine_private.h"
#include "src/base/scratch.h"
#include "src/base/sha256.h"

/*
 * nobody, who owns nothing. Not the user who called sudo: that one owns a home directory, keys and a running session,
 * and all of these would lie open to a program that a hostile image has taken over.
 */
#define NOBODY 65534

#define CAP(n) (1ULL << (n))

/* With these files of others are opened, and the rest is given up later. */
#define CAPS_BEGUN                                                                                                     \
	(CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_SETPCAP))

static void say(struct buf *b, const char *words)
{
	buf_addf(b, "%s%s", b->len ? ", " : "", words);
}

static void say_layer(struct confined *c, const char *layer, int r)
{
	AUTO_BUF struct buf why = { 0 };

	buf_addf(&why, "%s (%s)", layer, r == -ENOSYS || r == -EOPNOTSUPP ? "the kernel has none" : strerror(-r));
	say(r < 0 ? &c->missing : &c->active, r < 0 ? why.s : layer);
}

/* ---- capabilities and identity */

static u64 caps_now(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return UINT64_MAX;
	return data[0].permitted | (u64)data[1].permitted << 32;
}

/* What a program that is run could get back. Needs CAP_SETPCAP, so it goes first. */
static void bounds_limit(u64 keep)
{
	for (int i = 0; caps_now() & CAP(CAP_SETPCAP) && i < 64; i++)
		if (!(keep & CAP(i)) && prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* Nothing but `keep`, of what there is. */
static int caps_limit(u64 keep)
{
	u64 left = caps_now() & keep;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (u32)left, .permitted = (u32)left },
		{ .effective = (u32)(left >> 32), .permitted = (u32)(left >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/*
 * Whether what is open still answers somebody else: a file system in user space may answer him only who mounted it, a
 * server only who has a ticket. A child asks, because there is no way back.
 */
static bool answers_nobody(void)
{
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		return false;
	if (child == 0) {
		bool is_he = setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0;
		bool fine = true;
		struct statx st;

		for (int fd = 3; is_he && fine && fd < 256; fd++)
			fine = statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &st) == 0 ||
			       errno == EBADF;
		_exit(!fine);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return status == 0;
}

/* A user namespace may not know this id, or may forbid to give up groups: then the next best. */
static void become_nobody(struct confined *c, u64 keep)
{
	AUTO_BUF struct buf words = { 0 };

	if (geteuid() != 0)
		return;
	if (!answers_nobody()) {
		say(&c->missing, "uid 65534 (what is open does not answer it)");
		return;
	}
	if (keep)
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		buf_addf(&words, "uid %d (%s)", NOBODY, strerror(errno));
	say(words.len ? &c->missing : &c->active, words.len ? words.s : "uid 65534");
}

static void no_debugger(void)
{
	/* LeakSanitizer is one; a change of the identity has cleared it. */
	prctl(PR_SET_DUMPABLE, CONFINE_SANITIZER, 0, 0, 0);
}

/* ---- Landlock */

struct rule {
	const char *path;
	unsigned rights;
};

/* What programs and libraries of the system lie in: also on systems that have no /usr to speak of. */
static const char *const systems[] = { "/usr",   "/bin",    "/sbin",      "/lib",      "/lib32",
	                               "/lib64", "/libx32", "/nix/store", "/gnu/store" };

/* /etc holds secrets: by name what the loader, the C library, libcrypto and the programs that are run want of it. */
static const struct rule system_rules[] = {
	{ "/etc/ld.so.cache", LANDLOCK_READS },
	{ "/etc/ld.so.preload", LANDLOCK_READS },
	{ "/etc/localtime", LANDLOCK_READS },
	{ "/etc/nsswitch.conf", LANDLOCK_READS },
	{ "/etc/passwd", LANDLOCK_READS },
	{ "/etc/group", LANDLOCK_READS },
	{ "/etc/ssl/openssl.cnf", LANDLOCK_READS },
	{ "/etc/pki/tls/openssl.cnf", LANDLOCK_READS },
	{ "/etc/crypto-policies", LANDLOCK_READS },
	{ "/etc/mtools.conf", LANDLOCK_READS },
	{ "/etc/python3", LANDLOCK_READS },
	{ "/etc/blkid.conf", LANDLOCK_READS },
	{ "/etc/e2fsck.conf", LANDLOCK_READS },
	{ "/etc/mke2fs.conf", LANDLOCK_READS },
	{ "/sys", LANDLOCK_READS },
	{ "/proc", LANDLOCK_READS },
	{ "/dev", LANDLOCK_LISTS },
	{ "/dev/null", LANDLOCK_READS | LANDLOCK_WRITES },
	{ "/dev/zero", LANDLOCK_READS },
	{ "/dev/random", LANDLOCK_READS },
	{ "/dev/urandom", LANDLOCK_READS },
};

static const struct rule qemu_rules[] = {
	{ "/", LANDLOCK_READS },
	{ "/dev/kvm", LANDLOCK_READS | LANDLOCK_WRITES | LANDLOCK_CONTROLS },
	{ "/dev/dri", LANDLOCK_READS | LANDLOCK_WRITES | LANDLOCK_CONTROLS },
};

/* What the reports of a sanitizer read; the last is livestick itself, for the names of its functions. */
static const struct rule sanitizer_rules[] = {
	{ "/proc", LANDLOCK_READS },
	{ "/usr", LANDLOCK_READS },
	{ "/lib", LANDLOCK_READS },
	{ "/proc/self/exe", LANDLOCK_READS },
};

static void allow_all(const struct landlock *l, const struct rule *rule, size_t n)
{
	for (size_t i = 0; i < n; i++)
		landlock_allow(l, rule[i].path, rule[i].rights);
}

static void allow_plan(const struct landlock *l, const struct confine_plan *p, const struct confined *c)
{
	unsigned target = LANDLOCK_READS | LANDLOCK_CONTROLS | (p->writes ? LANDLOCK_WRITES : 0);

	if (p->source)
		landlock_allow(l, p->source, LANDLOCK_READS | LANDLOCK_CONTROLS);
	for (size_t i = 0; i < p->n_targets; i++)
		landlock_allow(l, p->target[i], target);
	if (p->file)
		landlock_allow(l, p->file, LANDLOCK_READS);
	if (p->programs)
		landlock_allow(l, p->programs, LANDLOCK_READS | LANDLOCK_RUNS);
	if (p->results)
		landlock_allow(l, p->results, LANDLOCK_READS | LANDLOCK_WRITES | LANDLOCK_MAKES);
	if (c->scratch.len) {
		AUTO_FREE char *parent = xstrndup(c->scratch.s, (size_t)(strrchr(c->scratch.s, '/') - c->scratch.s));

		landlock_allow(l, c->scratch.s, LANDLOCK_READS | LANDLOCK_WRITES | LANDLOCK_MAKES);
		landlock_allow(l, *parent ? parent : "/", LANDLOCK_RMDIRS);
	}
}

static void landlock_begin(const struct confine_plan *p, struct confined *c)
{
	unsigned runs = p->runs_programs || p->runs_qemu ? LANDLOCK_RUNS : 0;
	AUTO_BUF struct buf words = { 0 };
	struct landlock l;

	landlock_new(&l);
	for (size_t i = 0; i < ARRAY_SIZE(systems); i++)
		landlock_allow(&l, systems[i], LANDLOCK_READS | runs);
	allow_all(&l, system_rules, ARRAY_SIZE(system_rules));
	if (p->runs_qemu)
		allow_all(&l, qemu_rules, ARRAY_SIZE(qemu_rules));
	if (CONFINE_SANITIZER)
		allow_all(&l, sanitizer_rules, ARRAY_SIZE(sanitizer_rules));
	allow_plan(&l, p, c);
	buf_addf(&words, l.abi ? "Landlock ABI %d" : "Landlock", l.abi);
	say_layer(c, words.s, landlock_enforce(&l));
}

static void landlock_close(struct confined *c, enum confine_opens opens)
{
	AUTO_BUF struct buf words = { 0 };
	struct landlock l;

	landlock_new(&l);
	if (opens == CONFINE_OPENS_SYSFS)
		landlock_allow(&l, "/sys", LANDLOCK_READS);
	if (c->source >= 0)
		landlock_allow_fd(&l, c->source, LANDLOCK_READS);
	if (CONFINE_SANITIZER)
		allow_all(&l, sanitizer_rules, ARRAY_SIZE(sanitizer_rules));
	buf_addf(&words, l.abi ? "Landlock ABI %d" : "Landlock", l.abi);
	say_layer(c, words.s, landlock_enforce(&l));
}

/* ---- the stages */

/* Kept open by O_PATH: its name may be another's when it is wanted again. */
static int source_directory(const char *path)
{
	AUTO_CLOSE int fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int kept = fd;

	fd = -1;
	return kept;
}

/* A private directory that cannot be made is missed by the first program, which says so by name. */
static void make_scratch(struct confined *c)
{
	AUTO_ERR struct err ignored = { 0 };

	if (scratch_make(&c->scratch, &ignored) < 0)
		buf_clear(&c->scratch);
	else
		setenv("TMPDIR", c->scratch.s, 1);
}

static void restart_words(struct confined *c)
{
	buf_clear(&c->active);
	buf_clear(&c->missing);
}

void confine_begin(const struct confine_plan *plan, struct confined *ret)
{
	bool had_caps = caps_now() != 0;
	int r;

	ret->has_begun = true;
	ret->source = source_directory(plan->source);
	if (plan->runs_programs || plan->runs_qemu)
		make_scratch(ret);
	restart_words(ret);
	bounds_limit(CAPS_BEGUN);
	r = caps_limit(CAPS_BEGUN);
	if (had_caps)
		say_layer(ret, "most capabilities dropped", r);
	no_debugger();
	r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
	say_layer(ret, "no new privileges", r);
	landlock_begin(plan, ret);
	say_layer(ret, "seccomp", seccomp_begin(plan->runs_programs || plan->runs_qemu, plan->runs_qemu));
}

void confine_close(struct confined *c, enum confine_opens opens)
{
	/* The files of a tree of root's are opened one by one, when their turn comes: for reading, and only these. */
	u64 keep = c->source >= 0 && geteuid() == 0 ? CAP(CAP_DAC_READ_SEARCH) : 0;
	bool had_caps = caps_now() != 0;
	u8 ignored[SHA256_SIZE];
	int r;

	sha256_of("", 0, ignored); /* libcrypto has read its configuration now, whoever is the first to hash */
	scratch_remove(&c->scratch);
	restart_words(c);
	bounds_limit(keep);
	become_nobody(c, keep);
	r = caps_limit(keep);
	if (had_caps)
		say_layer(c, keep ? "capabilities dropped but for reading" : "capabilities dropped", r);
	no_debugger();
	say_layer(c, "no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM);
	landlock_close(c, opens);
	say_layer(c, "seccomp", seccomp_close(opens != CONFINE_OPENS_NOTHING || c->source >= 0));
}

void confine_free(struct confined *c)
{
	scratch_remove(&c->scratch);
	buf_free(&c->active);
	buf_free(&c->missing);
	if (c->has_begun)
		util_close(&c->source);
	*c = (struct confined){ 0 };
}

void confine_words(const struct confined *c, struct buf *out)
{
	buf_adds(out, c->active.len ? c->active.s : "nothing");
	if (c->missing.len)
		buf_addf(out, "; not: %s", c->missing.s);
}

void confine_helper(int keep)
{
	u64 caps = keep < 0 ? 0 : CAP(keep);

	bounds_limit(caps);
	if (caps_limit(caps) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return;
	no_debugger();
}
