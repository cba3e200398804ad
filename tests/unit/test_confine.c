/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Children that confine themselves and then try what must fail and what must work. What is expected of a layer that the
 * kernel does not have is skipped, by what confine_words() says.
 */
#include "src/base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "src/base/spawn.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define SANITIZER true
#else
#define SANITIZER false
#endif

/* In a child: what is wrong is said, and makes its exit status 1. */
static int wrong;

static void expect(bool holds, int line, const char *what, const char *state)
{
	if (holds)
		return;
	wrong = 1;
	printf("# line %d: %s: %s (%s)\n", line, what, state, strerror(errno));
}

#define WORKS(call)       expect((errno = 0, (call)), __LINE__, #call, "does not work")
#define DENIED(call, how) expect((errno = 0, (call) < 0 && errno == (how)), __LINE__, #call, "is not denied by " #how)

struct scene {
	char *source, *target, *other, *dir, *program;
	struct confined c;
	bool landlock, seccomp;
	int landlock_abi;
};

static char *make_file(const char *name, mode_t mode)
{
	char *path = sandbox_path(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	CHECK(fd >= 0 && write(fd, "text", 4) == 4);
	close(fd);
	return path;
}

static void make_scene(struct scene *s)
{
	*s = (struct scene){ 0 };
	s->source = make_file("source", 0600);
	s->target = make_file("target", 0600);
	s->other = make_file("other", 0644);
	s->dir = sandbox_path("dir");
	s->program = sandbox_path("program");
	CHECK(sandbox_run("rm -rf '%s'; mkdir '%s'; echo inside >'%s/file'; chmod 600 '%s/file'", s->dir, s->dir,
	                  s->dir, s->dir) == 0);
	CHECK(sandbox_run("cp /bin/true '%s'", s->program) == 0);
}

static void free_scene(struct scene *s)
{
	char **const path[] = { &s->source, &s->target, &s->other, &s->dir, &s->program };

	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		free(*path[i]);
}

/* Whether a layer is in force, by what was said of it. */
static void look_at_layers(struct scene *s)
{
	const char *abi = strstr(s->c.active.s, "Landlock ABI ");

	s->landlock = abi != NULL;
	s->landlock_abi = abi ? atoi(abi + strlen("Landlock ABI ")) : 0;
	s->seccomp = strstr(s->c.active.s, "seccomp") != NULL;
}

static void run_child(void (*fn)(struct scene *))
{
	struct scene s;
	int status = 0;
	pid_t child;

	make_scene(&s);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		wrong = 0;
		fn(&s);
		confine_free(&s.c);
		fflush(stdout);
		_exit(wrong);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_U64(status, 0);
	free_scene(&s);
}

static int open_read(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_write(const char *path)
{
	return open(path, O_WRONLY | O_CLOEXEC);
}

static int open_new(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int run_program(const char *path)
{
	char *const argv[] = { (char *)path, NULL };
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		execv(path, argv);
		_exit(errno);
	}
	waitpid(child, &status, 0);
	errno = WEXITSTATUS(status);
	return status ? -1 : 0;
}

/* ---- begun */

static void begin(struct scene *s, bool runs_programs)
{
	const struct confine_plan plan = { .source = s->source,
		                           .target = &s->target,
		                           .n_targets = 1,
		                           .writes = true,
		                           .runs_programs = runs_programs };

	confine_begin(&plan, &s->c);
	look_at_layers(s);
}

static void files_when_begun(struct scene *s)
{
	AUTO_BUF struct buf beside = { 0 };

	buf_addf(&beside, "%s.new", s->target);
	begin(s, true);
	WORKS(open_read(s->source) >= 0);
	WORKS(open(s->target, O_RDWR | O_TRUNC) >= 0);
	WORKS(open_read("/proc/self/mountinfo") >= 0);
	WORKS(open_write("/dev/null") >= 0);
	WORKS(strcmp(getenv("TMPDIR"), s->c.scratch.s) == 0);
	if (!s->landlock)
		return;
	DENIED(open_write(s->source), EACCES);
	DENIED(open_read(s->other), EACCES);
	DENIED(open_write(s->other), EACCES);
	DENIED(open_new(beside.s), EACCES);
	DENIED(unlink(s->target), EACCES);
	DENIED(open_read("/etc/shadow"), EACCES);
	DENIED(open_read("/root"), EACCES);
	DENIED(open_new("/tmp/livestick-must-not-be-here"), EACCES);
	if (s->landlock_abi >= 6)
		DENIED(kill(getppid(), 0), EPERM);
}

TEST(begun_only_the_target_is_written)
{
	run_child(files_when_begun);
}

static void calls_when_begun(struct scene *s)
{
	int pair[2];
	u8 nothing[256] = { 0 };

	begin(s, true);
	WORKS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	WORKS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	WORKS(SANITIZER || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	if (!s->seccomp)
		return;
	DENIED(socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
	DENIED(socket(AF_INET, SOCK_STREAM, 0), EPERM);
	if (!SANITIZER)
		DENIED(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), EPERM);
	DENIED(mount("none", s->dir, "tmpfs", 0, NULL), EPERM);
	DENIED(unshare(CLONE_NEWUSER), EPERM);
	DENIED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
	DENIED(syscall(SYS_clone3, nothing, sizeof(nothing)), ENOSYS);
	DENIED(syscall(SYS_bpf, 0, nothing, sizeof(nothing)), EPERM);
	DENIED(syscall(SYS_userfaultfd, 0), EPERM);
	DENIED(syscall(SYS_keyctl, 0, 0), EPERM);
	DENIED(syscall(SYS_io_uring_setup, 1, nothing), EPERM);
	DENIED(syscall(SYS_open_by_handle_at, 0, nothing, 0), EPERM);
	DENIED(syscall(SYS_finit_module, 0, "", 0), EPERM);
	DENIED(syscall(SYS_sync), EPERM);
	DENIED(ioctl(0, TIOCSTI, "x"), EPERM);
	/* The kernel looks at the lower half of the argument only. */
	DENIED(syscall(SYS_ioctl, 0, 0x100000000UL | TIOCSTI, "x"), EPERM);
}

TEST(begun_the_kernels_wide_doors_are_shut)
{
	run_child(calls_when_begun);
}

static int shell(const char *text, struct buf *out)
{
	const char *const argv[] = { "sh", "-c", text, NULL };
	AUTO_ERR struct err ignored = { 0 };

	return spawn_run(&(struct spawn){ .argv = argv, .package = "dash", .seconds = 20 }, out, &ignored);
}

static void programs_when_begun(struct scene *s)
{
	AUTO_BUF struct buf out = { 0 }, text = { 0 };

	begin(s, true);
	WORKS(shell("echo x >$TMPDIR/y && cat $TMPDIR/y && mkdir $TMPDIR/z && mv $TMPDIR/y $TMPDIR/z", &out) == 0);
	WORKS(strcmp(out.s, "x\n") == 0);
	WORKS(shell("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\n\\t '", &out) == 0);
	WORKS(strcmp(out.s, s->seccomp ? "NoNewPrivs:1Seccomp:2" : "NoNewPrivs:1Seccomp:0") == 0);
	if (s->landlock) {
		DENIED(run_program(s->program), EACCES);
		buf_addf(&text, "cat '%s'", s->other);
		WORKS(shell(text.s, &out) < 0 && strstr(out.s, "Permission denied"));
		buf_clear(&text);
		buf_addf(&text, "echo x >>'%s'", s->other);
		WORKS(shell(text.s, &out) < 0 && strstr(out.s, "Permission denied"));
	}
	confine_free(&s->c);
	WORKS(access(getenv("TMPDIR"), F_OK) < 0 && errno == ENOENT);
}

TEST(begun_programs_run_and_are_confined_alike)
{
	run_child(programs_when_begun);
}

static void checkers_when_begun(struct scene *s)
{
	AUTO_BUF struct buf out = { 0 };

	begin(s, true);
	WORKS(shell("cd $TMPDIR && truncate -s 8M e f && mkfs.ext4 -q e && e2fsck -fy e && mkfs.fat f && fsck.fat -a f",
	            &out) == 0);
	WORKS(!strstr(out.s, "ermission"));
	WORKS(shell("mformat -C -i $TMPDIR/m -f 1440 :: && mdir -i $TMPDIR/m ::", &out) == 0);
}

TEST(begun_programs_for_file_systems_have_what_they_need)
{
	run_child(checkers_when_begun);
}

static void without_programs(struct scene *s)
{
	begin(s, false);
	WORKS(s->c.scratch.len == 0);
	if (s->seccomp)
		DENIED(run_program("/bin/true"), EPERM);
	else if (s->landlock)
		DENIED(run_program("/bin/true"), EACCES);
}

TEST(begun_without_programs_none_runs)
{
	run_child(without_programs);
}

static void caps_when_begun(struct scene *s)
{
	AUTO_BUF struct buf out = { 0 };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	begin(s, true);
	WORKS(syscall(SYS_capget, &head, data) == 0);
	WORKS((data[0].permitted & 1U << CAP_DAC_READ_SEARCH) && !(data[0].permitted & 1U << CAP_SYS_ADMIN));
	WORKS(!(data[0].permitted & 1U << CAP_SYS_PTRACE) && data[1].permitted == 0);
	/* root's programs get no more than root has left */
	WORKS(shell("grep CapEff: /proc/self/status | tr -d '\\n\\t '", &out) == 0);
	WORKS(strcmp(out.s, "CapEff:00000000000001c6") == 0);
}

TEST(begun_root_keeps_what_opens_files_of_others)
{
	if (geteuid() != 0)
		test_skip("not root");
	run_child(caps_when_begun);
}

static void named_program(struct scene *s)
{
	AUTO_FREE char *dir = xstrndup(s->program, (size_t)(strrchr(s->program, '/') - s->program));
	const struct confine_plan plan = { .source = s->source,
		                           .target = &s->target,
		                           .n_targets = 1,
		                           .file = s->other,
		                           .programs = dir,
		                           .runs_programs = true };

	confine_begin(&plan, &s->c);
	look_at_layers(s);
	WORKS(run_program(s->program) == 0);
	WORKS(open_read(s->other) >= 0);
	if (s->landlock)
		DENIED(open_write(s->target), EACCES);
}

TEST(begun_the_users_own_validator_runs_and_a_dry_run_writes_nothing)
{
	run_child(named_program);
}

static void with_qemu(struct scene *s)
{
	const struct confine_plan plan = { .target = &s->target, .n_targets = 1, .runs_qemu = true };
	const char *const argv[] = { "qemu-system-x86_64", "-accel", "tcg", "-machine", "q35",
		                     "-display",           "none",   "-S",  "-qmp",     "stdio",
		                     "-monitor",           "none",   NULL };
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };
	int r;

	confine_begin(&plan, &s->c);
	look_at_layers(s);
	WORKS(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	if (s->seccomp)
		DENIED(socket(AF_INET, SOCK_STREAM, 0), EPERM);
	if (s->landlock)
		DENIED(open_write(s->target), EACCES);
	/* It greets, and waits: nobody answers. */
	r = spawn_run(&(struct spawn){ .argv = argv, .package = "qemu-system-x86", .seconds = 5 }, &out, &e);
	WORKS(r == -ETIMEDOUT && strstr(out.s, "\"QMP\""));
}

TEST(begun_qemu_starts)
{
	if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0)
		test_skip("no qemu-system-x86_64");
	run_child(with_qemu);
}

/* ---- closed */

static void *add_one(void *n)
{
	++*(int *)n;
	return NULL;
}

static void work_when_closed(struct scene *s)
{
	int source = open_read(s->source), target = open(s->target, O_RDWR), n = 0;
	struct file_clone_range clone = { source, 0, 0, 0 };
	u64 discard[2] = { 0, 4096 };
	char text[4];
	struct stat st;
	pthread_t thread;
	void *page;

	begin(s, true);
	confine_close(&s->c, CONFINE_OPENS_NOTHING);
	WORKS(access(getenv("TMPDIR"), F_OK) < 0);
	WORKS(pread(source, text, 4, 0) == 4 && memcmp(text, "text", 4) == 0);
	WORKS(pwrite(target, "TEXT", 4, 0) == 4);
	WORKS(fdatasync(target) == 0 && fsync(target) == 0);
	WORKS(sync_file_range(target, 0, 4, SYNC_FILE_RANGE_WRITE) == 0);
	WORKS(posix_fadvise(target, 0, 0, POSIX_FADV_DONTNEED) == 0);
	WORKS(fstat(source, &st) == 0 && st.st_size == 4);
	/* Not every file system can, so that the kernel is asked is all that matters. */
	WORKS(lseek(source, 0, SEEK_DATA) == 0 || errno != ENOSYS);
	WORKS(fallocate(target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4) == 0 || errno != ENOSYS);
	WORKS(ioctl(target, FICLONERANGE, &clone) == 0 || errno != ENOSYS);
	WORKS(ioctl(target, BLKDISCARD, discard) < 0 && errno == ENOTTY);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WORKS(page != MAP_FAILED);
	WORKS(munmap(page, 4096) == 0);
	WORKS(pthread_create(&thread, NULL, add_one, &n) == 0 && pthread_join(thread, NULL) == 0 && n == 1);
	WORKS(signal(SIGINT, SIG_IGN) != SIG_ERR);
	WORKS(isatty(1) >= 0);
	WORKS(close(target) == 0);
}

TEST(closed_a_pass_has_all_it_needs)
{
	run_child(work_when_closed);
}

static void denied_when_closed(struct scene *s)
{
	begin(s, true);
	confine_close(&s->c, CONFINE_OPENS_NOTHING);
	look_at_layers(s);
	if (geteuid() != 0)
		DENIED(open_read("/etc/shadow"), s->seccomp && !SANITIZER ? ENOSYS : EACCES);
	if (!s->seccomp)
		return;
	/* A sanitizer's build may open for reading, as far as Landlock and the rights on files let it. */
	if (!SANITIZER) {
		DENIED(open_read(s->source), ENOSYS);
		DENIED(fork(), ENOSYS);
		DENIED(ptrace(PTRACE_TRACEME, 0, NULL, NULL), ENOSYS);
		DENIED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), ENOSYS);
	} else if (s->landlock) {
		DENIED(open_read(s->source), EACCES);
	}
	DENIED(open_write(s->target), ENOSYS);
	DENIED(open_new("/tmp/livestick-must-not-be-here"), ENOSYS);
	DENIED(unlink(s->target), ENOSYS);
	DENIED(rename(s->target, s->other), ENOSYS);
	DENIED(chmod(s->target, 0777), ENOSYS);
	DENIED(execv("/bin/true", (char *const[]){ (char *)"true", NULL }), s->seccomp ? ENOSYS : EACCES);
	DENIED(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 }), ENOSYS);
	DENIED(setresuid(0, 0, 0), ENOSYS);
	DENIED(mount("none", s->dir, "tmpfs", 0, NULL), ENOSYS);
	DENIED(ioctl(0, TIOCSTI, "x"), ENOSYS);
	DENIED(ioctl(0, 0x1234, "x"), ENOSYS);
	DENIED(fallocate(1, 0, 0, 4096), ENOSYS);
	DENIED(fallocate(1, FALLOC_FL_PUNCH_HOLE, 0, 4096), ENOSYS);
	DENIED(fallocate(1, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), ENOSYS);
	expect(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, __LINE__,
	       "memory with code", "is not denied");
}

TEST(closed_nothing_is_opened_run_or_taken_back)
{
	run_child(denied_when_closed);
}

static void sysfs_when_closed(struct scene *s)
{
	begin(s, false);
	confine_close(&s->c, CONFINE_OPENS_SYSFS);
	look_at_layers(s);
	WORKS(open_read("/sys/dev") >= 0);
	if (s->landlock)
		DENIED(open_read(s->source), EACCES);
	if (s->seccomp)
		DENIED(open_write(s->target), ENOSYS);
}

TEST(closed_to_a_stick_sysfs_can_be_asked)
{
	run_child(sysfs_when_closed);
}

static void tree_when_closed(struct scene *s)
{
	const struct confine_plan plan = { .source = s->dir, .target = &s->target, .n_targets = 1, .writes = true };
	int dir = open(s->dir, O_RDONLY | O_DIRECTORY);

	confine_begin(&plan, &s->c);
	confine_close(&s->c, CONFINE_OPENS_NOTHING);
	look_at_layers(s);
	/* Root's own, mode 0600: the one capability that is left. */
	WORKS(openat(dir, "file", O_RDONLY) >= 0);
	if (s->seccomp) {
		DENIED(openat(dir, "file", O_RDWR), ENOSYS);
		DENIED(openat(dir, "new", O_RDONLY | O_CREAT, 0600), ENOSYS);
		DENIED(openat(dir, ".", O_TMPFILE | O_WRONLY, 0600), ENOSYS);
	}
	if (s->landlock)
		DENIED(openat(dir, "../other", O_RDONLY), EACCES);
}

TEST(closed_the_files_of_a_source_tree_can_be_read)
{
	run_child(tree_when_closed);
}

/* As others see it. */
TEST(closed_the_kernel_confirms_it)
{
	struct scene s;
	int ready[2], go[2];
	pid_t child;
	char byte;

	make_scene(&s);
	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	child = fork();
	if (child == 0) {
		begin(&s, true);
		confine_close(&s.c, CONFINE_OPENS_NOTHING);
		look_at_layers(&s);
		byte = s.seccomp ? 's' : '-';
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	CHECK(sandbox_run("cat /proc/%d/status", child) == 0);
	CHECK(strstr(sandbox_said(), "NoNewPrivs:\t1\n"));
	CHECK(strstr(sandbox_said(), "CapPrm:\t0000000000000000\n") &&
	      strstr(sandbox_said(), "CapEff:\t0000000000000000\n"));
	CHECK(byte != 's' || strstr(sandbox_said(), "Seccomp:\t2\n"));
	if (geteuid() == 0) {
		CHECK(strstr(sandbox_said(), "CapBnd:\t0000000000000000\n"));
		CHECK(strstr(sandbox_said(), "Uid:\t65534\t65534\t65534\t65534\n"));
		CHECK(strstr(sandbox_said(), "Gid:\t65534\t65534\t65534\t65534\n"));
		CHECK(strstr(sandbox_said(), "Groups:\t \n"));
	}
	CHECK(write(go[1], "x", 1) == 1);
	CHECK(waitpid(child, NULL, 0) == child);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	free_scene(&s);
}

/* Else a sanitizer's build would pass whatever the program leaks. */
#ifdef __SANITIZE_ADDRESS__
static __attribute__((noinline)) void lose_memory(void)
{
	char *volatile lost = malloc(4321);

	lost[0] = 1;
	lost = NULL;
}

static void leaks_when_closed(struct scene *s)
{
	dup2(open_write("/dev/null"), 2); /* what is found is as it should be */
	begin(s, true);
	confine_close(&s->c, CONFINE_OPENS_NOTHING);
	WORKS(__lsan_do_recoverable_leak_check() == 0);
	lose_memory();
	WORKS(__lsan_do_recoverable_leak_check() != 0);
	__lsan_disable();
}

TEST(closed_leaks_are_found_still)
{
	const char *options = getenv("ASAN_OPTIONS");

	if (options && strstr(options, "detect_leaks=0"))
		test_skip("detect_leaks=0");
	run_child(leaks_when_closed);
}
#endif

/* ---- a kernel without */

static void deny_layers(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0) < 0 ||
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0) < 0 ||
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)) <
	        0 ||
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setgroups), 0) < 0 || seccomp_load(ctx) < 0)
		wrong = 1;
	seccomp_release(ctx);
}

static void without_layers(struct scene *s)
{
	AUTO_BUF struct buf words = { 0 };

	deny_layers();
	begin(s, true);
	confine_words(&s->c, &words);
	printf("# %s\n", words.s);
	WORKS(strstr(words.s, "no new privileges; not: Landlock (the kernel has none), seccomp ("));
	WORKS(open_read(s->source) >= 0 && run_program("/bin/true") == 0);
	confine_close(&s->c, CONFINE_OPENS_NOTHING);
	buf_clear(&words);
	confine_words(&s->c, &words);
	printf("# %s\n", words.s);
	WORKS(strstr(words.s, "no new privileges; not: "));
	WORKS(strstr(words.s, "Landlock (the kernel has none), seccomp ("));
	WORKS(geteuid() != 0 || strstr(words.s, "uid 65534 (Operation not permitted)"));
	WORKS(open_read(s->source) >= 0);
}

TEST(what_the_kernel_lacks_is_said_and_missed_by_nobody)
{
	run_child(without_layers);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
