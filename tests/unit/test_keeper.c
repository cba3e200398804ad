/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/keeper.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static struct keeper *start(const char *path)
{
	AUTO_ERR struct err e = { 0 };
	struct keeper *k = NULL;

	unlink(path);
	CHECK_OK(keeper_start(&(struct keeper_request){ .new_file = path }, &k, &e), &e);
	CHECK(is_there(path));
	return k;
}

TEST(an_unfinished_file_goes_a_complete_one_stays)
{
	AUTO_FREE char *path = sandbox_path("new");

	keeper_end(start(path), false);
	CHECK(!is_there(path));
	keeper_end(start(path), true);
	CHECK(is_there(path));
	keeper_end(NULL, true);
}

TEST(a_file_that_exists_is_not_taken)
{
	AUTO_FREE char *path = sandbox_path("old");
	AUTO_ERR struct err e = { 0 };
	struct keeper *k = NULL;

	sandbox_make(path, 5);
	CHECK(keeper_start(&(struct keeper_request){ .new_file = path }, &k, &e) == -EEXIST);
	CHECK(!k && is_there(path));
	err_clear(&e);
	CHECK(keeper_start(&(struct keeper_request){ .new_file = "/nowhere/new" }, &k, &e) == -ENOENT);
}

TEST(what_took_its_place_stays)
{
	AUTO_FREE char *path = sandbox_path("new"), *moved = sandbox_path("moved");
	struct keeper *k = start(path);

	CHECK(rename(path, moved) == 0);
	sandbox_make(path, 5);
	keeper_end(k, false);
	CHECK(is_there(path) && is_there(moved));
}

/* Ctrl-C reaches every process of the terminal; the helper leaves the answer to the run. */
TEST(signals_do_not_end_it_early)
{
	AUTO_FREE char *path = sandbox_path("new");
	pid_t group = fork();
	int status = 0;

	if (group == 0) {
		struct keeper *k;

		setpgid(0, 0);
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		k = start(path);
		kill(0, SIGINT);
		kill(0, SIGTERM);
		keeper_end(k, true);
		_exit(is_there(path) ? 0 : 1);
	}
	CHECK(waitpid(group, &status, 0) == group && status == 0);
}

/* The end of the pipe is the end of the run, whatever ended it. */
TEST(the_file_of_a_run_that_was_killed_goes)
{
	AUTO_FREE char *path = sandbox_path("new");
	int ready[2];
	char byte;
	pid_t run;

	CHECK(pipe(ready) == 0);
	run = fork();
	if (run == 0) {
		close(ready[0]);
		start(path);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	CHECK(read(ready[0], &byte, 1) == 1 && is_there(path));
	CHECK(kill(run, SIGKILL) == 0 && waitpid(run, NULL, 0) == run);
	for (int i = 0; i < 500 && is_there(path); i++)
		usleep(20000);
	CHECK(!is_there(path));
	close(ready[0]);
}

/* Root's own directory is no hindrance, and what it keeps is one capability. */
TEST(it_keeps_one_capability)
{
	AUTO_FREE char *path = NULL;
	bool found = false;
	struct keeper *k;

	if (geteuid() != 0)
		test_skip("not root");
	path = sandbox_path("new");
	k = start(path);
	for (int i = 0; i < 100 && !found; i++) {
		usleep(20000);
		CHECK(sandbox_run("for p in $(cat /proc/%d/task/%d/children); do cat /proc/$p/status 2>/dev/null; done",
		                  getpid(), getpid()) == 0);
		found = strstr(sandbox_said(), "CapEff:\t0000000000000002\n") != NULL;
	}
	CHECK(found);
	CHECK(strstr(sandbox_said(), "NoNewPrivs:\t1\n"));
	keeper_end(k, false);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
