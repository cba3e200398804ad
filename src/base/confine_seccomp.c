/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The system calls, by libseccomp. While programs are run, a list of what is denied: what they need cannot be known.
 * When all is open, a list of what is allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "src/base/confine_private.h"

/* The kernel looks at 32 bits of these arguments; what a caller puts above them must not get it past a comparison. */
#define ARG_IS(n, value)     SCMP_CMP(n, SCMP_CMP_MASKED_EQ, 0xffffffffULL, (value))
#define ARG_HAS(n, bits)     SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (u32)(bits), (u32)(bits))
#define ARG_HAS_NOT(n, bits) SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (u32)(bits), 0)

/* O_TMPFILE has a bit of its own beside O_DIRECTORY. */
#define OPEN_CHANGES (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

static int add(scmp_filter_ctx ctx, u32 action, const int *call, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(ctx, action, call[i], 0);
	return r;
}

static int add_one(scmp_filter_ctx ctx, u32 action, int call, struct scmp_arg_cmp arg)
{
	return seccomp_rule_add(ctx, action, call, 1, arg);
}

static int load(scmp_filter_ctx ctx, int r)
{
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1); /* the kernel's own error */
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

/* ---- while sources are read and programs run */

static const int denied[] = {
	/* other processes */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(process_madvise), SCMP_SYS(perf_event_open),
	/* mounts and namespaces */
	SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2), SCMP_SYS(mount_setattr), SCMP_SYS(move_mount),
	SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(open_by_handle_at),
	/* the machine */
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(quotactl),
	SCMP_SYS(acct), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(syslog), SCMP_SYS(vhangup), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname), SCMP_SYS(lookup_dcookie), SCMP_SYS(nfsservctl),
	/* wide doors into the kernel that nobody here goes through */
	SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(modify_ldt),
	SCMP_SYS(fanotify_init), SCMP_SYS(vmsplice),
	/* waits for all that anybody writes on this machine, and syslinux ends with it */
	SCMP_SYS(sync)
};

static const u32 namespaces[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
	                          CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };

static int deny_by_argument(scmp_filter_ctx ctx)
{
	const u32 no = SCMP_ACT_ERRNO(EPERM);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(namespaces); i++)
		r = add_one(ctx, no, SCMP_SYS(clone), ARG_HAS(0, namespaces[i]));
	/* Its flags lie in memory, where no filter looks; the C library takes clone() then. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* Typing into the terminal that livestick was started from. */
	if (r == 0)
		r = add_one(ctx, no, SCMP_SYS(ioctl), ARG_IS(1, TIOCSTI));
	if (r == 0)
		r = add_one(ctx, no, SCMP_SYS(ioctl), ARG_IS(1, TIOCLINUX));
	return r;
}

int seccomp_begin(bool runs_programs, bool sockets)
{
	static const int exec[] = { SCMP_SYS(execve), SCMP_SYS(execveat) };
	static const int connections[] = { SCMP_SYS(socket) };
	const u32 no = SCMP_ACT_ERRNO(EPERM);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? 0 : -ENOMEM;

	/* LeakSanitizer's tracer is a process of our own. */
	if (r == 0)
		r = add(ctx, no, denied + CONFINE_SANITIZER, ARRAY_SIZE(denied) - CONFINE_SANITIZER);
	if (r == 0)
		r = deny_by_argument(ctx);
	if (r == 0 && !runs_programs)
		r = add(ctx, no, exec, ARRAY_SIZE(exec));
	/* A UNIX socket leads to the services of the system, which do as root says; a pair leads nowhere. */
	if (r == 0 && !sockets)
		r = add(ctx, no, connections, ARRAY_SIZE(connections));
	else if (r == 0)
		r = add_one(ctx, no, SCMP_SYS(socket), SCMP_CMP(0, SCMP_CMP_NE, AF_UNIX));
	return load(ctx, r);
}

/* ---- when all is open */

static const int allowed[] = {
	/* descriptors that are open */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(close), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(sync_file_range2), SCMP_SYS(fadvise64),
	SCMP_SYS(fadvise64_64), SCMP_SYS(fcntl), SCMP_SYS(fcntl64), SCMP_SYS(fstat), SCMP_SYS(fstat64),
	SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64),
	/* memory */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(sysinfo),
	/* threads and signals */
	SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(wait4), SCMP_SYS(waitid),
	/* the time, and who we are */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(getrandom), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid)
};

/* Whether something is a terminal, and what a device is; and what a descriptor for writing may do by them as well. */
static const u32 allowed_ioctls[] = { TCGETS,     TIOCGWINSZ, BLKGETSIZE64, BLKSSZGET,  BLKROGET,
	                              BLKPBSZGET, BLKIOMIN,   BLKIOOPT,     BLKDISCARD, FICLONERANGE };

/* What LeakSanitizer does at exit: its tracer is a clone that stops all threads, and reads /proc and our memory. */
static const int allowed_sanitizer[] = { SCMP_SYS(ptrace),     SCMP_SYS(clone),      SCMP_SYS(prctl),
	                                 SCMP_SYS(arch_prctl), SCMP_SYS(readlink),   SCMP_SYS(getdents),
	                                 SCMP_SYS(getdents64), SCMP_SYS(getppid),    SCMP_SYS(kill),
	                                 SCMP_SYS(tgkill),     SCMP_SYS(readlinkat), SCMP_SYS(prlimit64),
	                                 SCMP_SYS(uname),      SCMP_SYS(mincore),    SCMP_SYS(set_tid_address) };

static int allow_by_argument(scmp_filter_ctx ctx, bool opens)
{
	static const int mapping[] = { SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect) };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed_ioctls); i++)
		r = add_one(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), ARG_IS(1, allowed_ioctls[i]));
	/* Zeros of an image file become holes; its size stays. */
	if (r == 0)
		r = add_one(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fallocate),
		            ARG_IS(1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE));
	if (r == 0 && (opens || CONFINE_SANITIZER))
		r = add_one(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), ARG_HAS_NOT(2, OPEN_CHANGES));
	if (r == 0 && CONFINE_SANITIZER)
		r = add_one(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), ARG_HAS_NOT(1, OPEN_CHANGES));
	/* Memory, but no code that was not there. */
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(mapping); i++)
		r = add_one(ctx, SCMP_ACT_ALLOW, mapping[i], ARG_HAS_NOT(2, PROT_EXEC));
	if (r == 0 && !CONFINE_SANITIZER)
		r = add_one(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), ARG_HAS(0, CLONE_THREAD));
	/* abort() */
	if (r == 0 && !CONFINE_SANITIZER)
		r = add_one(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), ARG_IS(0, (u32)getpid()));
	/* A thread's stack is as large as the limit says; only asked, not set. */
	if (r == 0 && !CONFINE_SANITIZER)
		r = add_one(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), SCMP_CMP(2, SCMP_CMP_EQ, 0));
	return r;
}

int seccomp_close(bool opens)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r = ctx ? 0 : -ENOMEM;

	if (r == 0)
		r = add(ctx, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed));
	if (r == 0)
		r = allow_by_argument(ctx, opens);
	if (r == 0 && CONFINE_SANITIZER)
		r = add(ctx, SCMP_ACT_ALLOW, allowed_sanitizer, ARRAY_SIZE(allowed_sanitizer));
	return load(ctx, r);
}
