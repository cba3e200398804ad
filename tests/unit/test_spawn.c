/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "src/base/progress.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

/* A shell script, for the program's side. */
static int script(const char *text, unsigned seconds, struct buf *output, struct err *e)
{
	const char *const argv[] = { "sh", "-c", text, NULL };

	return spawn_run(&(struct spawn){ .argv = argv, .package = "dash", .seconds = seconds }, output, e);
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(gives_both_outputs)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(script("echo one; echo two >&2; printf three", 10, &out, &e), &e);
	CHECK_STR(out.s, "one\ntwo\nthree");
	CHECK_OK(script("true", 10, &out, &e), &e);
	CHECK_STR(out.s, "");
	CHECK_OK(script("echo unwanted", 10, NULL, &e), &e);
}

TEST(arguments_are_not_interpreted)
{
	const char *const argv[] = { "printf", "%s|", "$(id)", "a b", "'", "*", NULL };
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(spawn_run(&(struct spawn){ .argv = argv, .package = "coreutils", .seconds = 10 }, &out, &e), &e);
	CHECK_STR(out.s, "$(id)|a b|'|*|");
}

TEST(the_environment_is_clean)
{
	const char *const argv[] = { "env", NULL };
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };

	setenv("MTOOLSRC", "/nowhere", 1);
	CHECK_OK(spawn_run(&(struct spawn){ .argv = argv, .package = "coreutils", .tmpdir = "/var/tmp", .seconds = 10 },
	                   &out, &e),
	         &e);
	CHECK_STR(out.s, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\nTMPDIR=/var/tmp\nHOME=/var/tmp\n");
}

TEST(stdin_is_empty_and_no_descriptor_is_handed_on)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };
	int fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */

	CHECK_OK(script("read x && echo $x; ls /proc/self/fd | tr '\\n' ' '", 10, &out, &e), &e);
	/* 3 is the directory that ls reads */
	CHECK_STR(out.s, "0 1 2 3 ");
	close(fd);
}

TEST(signals_are_at_their_defaults)
{
	AUTO_ERR struct err e = { 0 };
	sigset_t blocked, old;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	signal(SIGTERM, SIG_IGN);
	CHECK_FAILS(script("kill -TERM $$; sleep 5", 10, NULL, &e), &e, "sh: was killed by signal 15 (Terminated)");
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

TEST(exit_status_is_said_with_the_last_words)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK(script("echo; echo first; echo; echo 'no space left' >&2; exit 3", 10, &out, &e) == -EIO);
	CHECK_STR(e.text, "sh: ended with exit status 3: first; no space left");
	CHECK_STR(out.s, "\nfirst\n\nno space left\n");
	err_clear(&e);
	CHECK(script("exit 1", 10, NULL, &e) == -EIO);
	CHECK_STR(e.text, "sh: ended with exit status 1");
	err_clear(&e);
	CHECK(script("echo dying; kill -KILL $$", 10, NULL, &e) == -EIO);
	CHECK_STR(e.text, "sh: was killed by signal 9 (Killed): dying");
}

TEST(last_words_are_bounded)
{
	AUTO_ERR struct err e = { 0 };

	CHECK(script("head -c 5000 /dev/zero | tr '\\0' x; echo; echo end; exit 1", 10, NULL, &e) == -EIO);
	CHECK(strlen(e.text) < 400 && strcmp(e.text + strlen(e.text) - 8, "xxx; end") == 0);
}

TEST(much_output_is_cut_but_read)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(script("head -c 3000000 /dev/zero | tr '\\0' x", 20, &out, &e), &e);
	CHECK_U64(out.len, SPAWN_OUTPUT_MAX);
}

TEST(a_missing_program_names_its_package)
{
	const char *const argv[] = { "no-such-program", NULL }, *const path[] = { "/etc/passwd", NULL };
	AUTO_ERR struct err e = { 0 };
	struct spawn s = { .argv = argv, .package = "syslinux", .seconds = 10 };

	CHECK(spawn_run(&s, NULL, &e) == -ENOENT);
	CHECK_STR(e.text, "no-such-program is not installed: apt-get install syslinux");
	err_clear(&e);
	s.argv = path;
	CHECK(spawn_run(&s, NULL, &e) == -ENOENT);
}

TEST(a_program_that_is_none_is_said_so)
{
	AUTO_FREE char *path = sandbox_path("program");
	const char *const argv[] = { path, NULL };
	AUTO_ERR struct err e = { 0 };

	CHECK_U64(sandbox_run("printf '\\177ELF' >'%s'; chmod 755 '%s'", path, path), 0);
	CHECK_FAILS(spawn_run(&(struct spawn){ .argv = argv, .package = "x", .seconds = 5 }, NULL, &e), &e,
	            "cannot be started");
}

TEST(the_time_limit_ends_all_of_it)
{
	AUTO_FREE char *pid_file = sandbox_path("pid");
	AUTO_BUF struct buf text = { 0 };
	AUTO_ERR struct err e = { 0 };
	double begun = seconds_now();

	buf_addf(&text, "trap '' TERM; sleep 60 & echo $! >'%s'; wait", pid_file);
	CHECK(script(text.s, 1, NULL, &e) == -ETIMEDOUT);
	CHECK_STR(e.text, "sh: did not end within 1 seconds");
	CHECK(seconds_now() - begun < 5);
	usleep(200000);
	CHECK(sandbox_run("p=$(cat '%s'); test ! -d /proc/$p || grep -q '^State:.Z' /proc/$p/status", pid_file) == 0);
}

TEST(endless_output_does_not_stop_the_clock)
{
	AUTO_ERR struct err e = { 0 };

	CHECK(script("exec yes", 1, NULL, &e) == -ETIMEDOUT);
}

/* A program that leaves something behind that holds the pipe open has ended all the same. */
TEST(what_stays_in_the_background_is_not_waited_for)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_ERR struct err e = { 0 };
	double begun = seconds_now();

	CHECK_OK(script("sleep 3 & echo done", 10, &out, &e), &e);
	CHECK_STR(out.s, "done\n");
	CHECK(seconds_now() - begun < 2);
	/* and one that closes its output has not ended */
	CHECK_FAILS(script("exec >/dev/null 2>&1; sleep 0.3; exit 7", 10, NULL, &e), &e, "exit status 7");
}

static void raise_flag(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(an_interrupt_ends_it_and_other_signals_do_not)
{
	struct sigaction act = { .sa_handler = nothing };
	AUTO_ERR struct err e = { 0 };

	sigaction(SIGALRM, &act, NULL);
	alarm(1);
	CHECK_OK(script("sleep 1.5", 10, NULL, &e), &e);
	act.sa_handler = raise_flag;
	sigaction(SIGALRM, &act, NULL);
	alarm(1);
	CHECK(script("sleep 10", 20, NULL, &e) == -EINTR);
	CHECK_STR(e.text, "sh: interrupted");
	interrupted = 0;
}

/* ---- spawn_start() */

static int start(const char *text, const int *fds, size_t n_fds, struct child *c, struct err *e)
{
	const char *const argv[] = { "sh", "-c", text, NULL };
	static const char *const keep[] = { "LIVESTICK_KEPT", "LIVESTICK_NOT_SET", NULL };
	const struct spawn s = { .argv = argv, .package = "dash", .fds = fds, .n_fds = n_fds, .keep = keep };

	return spawn_start(&s, c, e);
}

static void await_end(struct child *c)
{
	for (int i = 0; i < 500 && !child_has_ended(c); i++) {
		child_listen(c);
		usleep(20000);
	}
	child_listen(c);
}

TEST(a_child_gets_the_descriptors_in_their_order)
{
	AUTO_FREE char *one = sandbox_path("one"), *two = sandbox_path("two");
	AUTO_ERR struct err e = { 0 };
	struct child c;
	int fds[2];

	CHECK_U64(sandbox_run("printf 1 >'%s'; printf 2 >'%s'", one, two), 0);
	/* Once the second one has a smaller number than the first. */
	for (int turn = 0; turn < 2; turn++) {
		fds[turn] = open(turn ? two : one, O_RDONLY | O_CLOEXEC);
		fds[!turn] = open(turn ? one : two, O_RDONLY | O_CLOEXEC);
		setenv("LIVESTICK_KEPT", "kept", 1);
		if (CHECK_OK(start("cat <&3; cat <&4; ls /proc/self/fd | tr '\\n' ' '; echo $LIVESTICK_KEPT", fds, 2,
		                   &c, &e),
		             &e)) {
			await_end(&c);
			/* 5 is the directory that ls reads */
			CHECK_STR(c.output.s, "120 1 2 3 4 5 kept\n");
			CHECK_OK(child_end(&c, &e), &e);
			CHECK_OK(child_end(&c, &e), &e);
		}
		close(fds[0]);
		close(fds[1]);
	}
}

TEST(a_child_that_ends_badly_is_said_and_one_that_is_killed_is_not)
{
	AUTO_ERR struct err e = { 0 };
	struct child c;

	if (!CHECK_OK(start("echo why >&2; exit 4", NULL, 0, &c, &e), &e))
		return;
	await_end(&c);
	CHECK(child_end(&c, &e) == -EIO);
	CHECK_STR(e.text, "sh: ended with exit status 4: why");
	err_clear(&e);
	if (!CHECK_OK(start("sleep 60 & wait", NULL, 0, &c, &e), &e))
		return;
	CHECK(!child_has_ended(&c));
	CHECK_OK(child_end(&c, &e), &e);
}

/* The one who started it is killed: so is the child. */
TEST(a_child_does_not_outlive_us)
{
	AUTO_FREE char *pid_file = sandbox_path("child");
	AUTO_ERR struct err e = { 0 };
	struct child c;
	pid_t us;

	if (sandbox_run("command -v setpriv >/dev/null") != 0)
		test_skip("setpriv is not installed");
	us = fork();
	if (us == 0) {
		AUTO_BUF struct buf text = { 0 };

		buf_addf(&text, "echo $$ >'%s'; exec sleep 60", pid_file);
		if (start(text.s, NULL, 0, &c, &e) == 0)
			pause();
		_exit(1);
	}
	for (int i = 0; i < 500 && sandbox_run("test -s '%s'", pid_file) != 0; i++)
		usleep(20000);
	kill(us, SIGKILL);
	waitpid(us, NULL, 0);
	usleep(200000);
	CHECK(sandbox_run("p=$(cat '%s'); test ! -d /proc/$p || grep -q '^State:.Z' /proc/$p/status", pid_file) == 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
